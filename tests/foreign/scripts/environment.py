"""What Lightning's Fabric concludes from the environment; its arguments are those of the constructor, as JSON."""
import json
import os
import sys

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.rank_zero import rank_zero_only

first = rank_zero_only.rank or 0
try:
    fabric = Fabric(**json.loads(sys.argv[1]))
except ValueError as error:
    print("refused:", str(error).replace("\n", " "), flush=True)
    os._exit(0)
if "LT_CLI_USED" not in os.environ:
    fabric.launch()
environment = type(fabric._connector.cluster_environment).__name__
total = fabric.all_reduce(torch.tensor(1.0), reduce_op="sum").item() if fabric.world_size > 1 else 1.0
print(
    f"{environment} {type(fabric.accelerator).__name__} world {fabric.world_size} rank {fabric.global_rank} local {fabric.local_rank}"
    f" node {fabric.node_rank} helper {first} reduced {total:.0f}",
    flush=True,
)
# PyTorch 2.11 may abort in the exit of the interpreter ("terminate called", 2 of 6 times under torchrun): that is not what is tested.
os._exit(0)
