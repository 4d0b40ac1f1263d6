"""One of two ranks on which a fault of benchmarks/faults.py falls: fault_rank.py FAULT FOLDER.

Writes FOLDER/ready-RANK (its process number) once all that comes before the fault is done, and does its part of the fault when FOLDER/go
appears. Knows its place by RANK, as torchrun and fabric set it.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

LEAVE_DAEMONS, DEAF_TO_TERM = (6, 8), (5, 11)


def leave_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(3600)
        os._exit(0)
    os.wait()


def main():
    fault, folder, rank = int(sys.argv[1]), Path(sys.argv[2]), int(os.environ["RANK"])
    if fault in DEAF_TO_TERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if fault in LEAVE_DAEMONS:
        leave_daemon()
    if fault == 2:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        numbers = torch.ones(1000)
        dist.all_reduce(numbers)
    new = folder / f"new-{rank}"
    new.write_text(str(os.getpid()))
    new.rename(folder / f"ready-{rank}")
    if fault == 2 and rank == 0:
        dist.all_reduce(numbers)
    while rank == 0 or not (folder / "go").exists():
        time.sleep(0.002)
    if fault == 4:
        ctypes.string_at(0)
    # No clearing up: the process is gone, as after an error in a library.
    os._exit(3)


main()
