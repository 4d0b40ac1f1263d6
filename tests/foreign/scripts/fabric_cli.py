"""Lightning's Fabric without launch(), for its command line."""
import os

import lightning
import torch

fabric = lightning.Fabric()
fabric.seed_everything(1)
model, optimizer = fabric.setup(*(lambda m: (m, torch.optim.SGD(m.parameters(), 0.1)))(torch.nn.Linear(4, 1)))
for step in range(3):
    optimizer.zero_grad()
    loss = model(torch.full((2, 4), float(fabric.global_rank + 1))).pow(2).mean()
    fabric.backward(loss)
    optimizer.step()
print(f"metric world {fabric.world_size} rank {fabric.global_rank} loss {fabric.all_reduce(loss).item():.6f}", flush=True)
# PyTorch 2.11 may abort in the exit of the interpreter ("terminate called", 2 of 6 times under torchrun): that is not what is tested.
os._exit(0)
