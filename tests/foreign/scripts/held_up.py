"""An all-reduce that waits for rank 1, which sleeps, is stopped, or computes for ever."""
import os
import signal
import sys
import time

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
if dist.get_rank() == 1:
    if sys.argv[1] == "sleep":
        time.sleep(600)
    elif sys.argv[1] == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        while True:
            pass
dist.all_reduce(torch.ones(1))
