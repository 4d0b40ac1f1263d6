"""Made for torch.distributed.launch: its local rank is an option."""
import os

import argparse

import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--local-rank", type=int, default=-1)
local_rank = parser.parse_args().local_rank
dist.init_process_group("gloo")
dist.barrier()  # rank 0 has the store, which the other may still read
print(f"metric rank {dist.get_rank()} local {local_rank}", flush=True)
# PyTorch 2.11 may abort in the exit of the interpreter ("terminate called", 2 of 6 times under torchrun): that is not what is tested.
os._exit(0)
