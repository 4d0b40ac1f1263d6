"""Plain torch.distributed: an all-reduce, and two steps of DistributedDataParallel."""
import os

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
torch.manual_seed(1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(2):
    optimizer.zero_grad()
    loss = model(torch.full((2, 4), float(dist.get_rank() + 1))).pow(2).mean()
    loss.backward()
    optimizer.step()
dist.all_reduce(loss)
print(f"metric world {dist.get_world_size()} rank {dist.get_rank()} loss {loss.item():.6f}", flush=True)
# PyTorch 2.11 may abort in the exit of the interpreter ("terminate called", 2 of 6 times under torchrun): that is not what is tested.
os._exit(0)
