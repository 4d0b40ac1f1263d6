"""The job of configs/fashion_mnist.yaml as a PyTorch script under torchrun: the yardstick of benchmarks/run.

    torchrun --standalone --nproc-per-node 2 benchmarks/fashion_mnist_ddp.py [options]

The same files, network, batch, optimizer, schedule, sampler, evaluation and checkpoint as the job. Each choice that the job does not
fix (how batches are made, memory layout, optimizer kernel) is the faster one of those that were measured; the options name the others.
"""

import argparse
import gzip
import json
import math
import os
import struct
import time
from pathlib import Path

import numpy
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

MEAN, STD = 0.2860, 0.3530


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(3136, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def read_idx(path):
    """An array of unsigned bytes in the format that MNIST is distributed in."""
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * dimensions).reshape(shape).copy())


def read_split(folder, name):
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz").long()
    return images.unsqueeze(1).float().div_(255).sub_(MEAN).div_(STD), labels


def load_safetensors(path):
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    weights = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            weights[name] = torch.from_numpy(numpy.frombuffer(raw[begin:end], numpy.float32).reshape(entry["shape"]).copy())
    return weights


def save_safetensors(path, weights):
    header, offset = {}, 0
    for name, tensor in weights.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in weights.values():
            out.write(tensor.detach().contiguous().numpy().tobytes())


class TensorBatches:
    """Batches cut from tensors that are in memory: no worker, no collation, no copy but the gather itself."""

    def __init__(self, images, labels, sampler, batch):
        self.images, self.labels, self.sampler, self.batch = images, labels, sampler, batch

    def __len__(self):
        return math.ceil(len(self.sampler) / self.batch)

    def __iter__(self):
        for chosen in torch.tensor(list(self.sampler)).split(self.batch):
            yield self.images[chosen], self.labels[chosen]


def evaluate(model, images, labels, rank, world, batch, channels_last):
    """Accuracy and mean loss over all ranks, each sample once."""
    images, labels = images[rank::world], labels[rank::world]
    totals = torch.zeros(3, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        for x, y in zip(images.split(batch), labels.split(batch)):
            if channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            output = model(x)
            totals += torch.stack([(output.argmax(1) == y).sum(), F.cross_entropy(output, y, reduction="sum"), torch.tensor(len(y))])
    model.train()
    dist.all_reduce(totals)
    return (totals[0] / totals[2]).item(), (totals[1] / totals[2]).item()


def parse_arguments():
    parser = argparse.ArgumentParser(description="Fashion-MNIST by DistributedDataParallel")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="end after so many optimizer steps, without evaluation")
    parser.add_argument("--batch", type=int, default=64, help="samples a rank and step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--schedule", choices=["linear", "cosine"], default="linear")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--initial-weights", help="safetensors file to start from")
    parser.add_argument("--save-initial-weights", metavar="FILE", help="write the weights that this seed draws, and end")
    parser.add_argument("--checkpoint", help="file that is written after each epoch")
    parser.add_argument("--report", help="JSON file with what was measured")
    parser.add_argument("--batches", choices=["tensors", "loader"], default="tensors", help="cut from tensors, or by a DataLoader")
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--fused", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--evaluation-batch", type=int, default=64)
    return parser.parse_args()


def main():
    # Of the launcher, by whoever started it: seconds since 1970.
    start = float(os.environ.get("BENCHMARK_START", time.time()))
    options = parse_arguments()
    torch.manual_seed(options.seed)
    if options.save_initial_weights:
        save_safetensors(options.save_initial_weights, Net().state_dict())
        return
    torch.set_num_threads(options.threads)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()

    train = read_split(options.data, "train")
    net = Net()
    if options.initial_weights:
        net.load_state_dict(load_safetensors(options.initial_weights))
    if options.channels_last:
        net = net.to(memory_format=torch.channels_last)
    model = DistributedDataParallel(net, gradient_as_bucket_view=True)
    sampler = DistributedSampler(TensorDataset(*train), seed=options.seed)
    if options.batches == "tensors":
        batches = TensorBatches(*train, sampler, options.batch)
    else:
        batches = DataLoader(TensorDataset(*train), options.batch, sampler=sampler, num_workers=options.workers, persistent_workers=options.workers > 0)
    total = options.epochs * len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, fused=options.fused)
    shape = {"linear": lambda p: 1 - p, "cosine": lambda p: (1 + math.cos(math.pi * p)) / 2}[options.schedule]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: shape(step / total))
    test = None

    report = {"epochs": [], "first_step": None, "step_seconds": []}
    step = 0
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        running, seen = torch.zeros(()), 0
        epoch_start = previous = time.perf_counter()
        for x, y in batches:
            if options.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.detach() * len(y)
            seen += len(y)
            step += 1
            now = time.perf_counter()
            report["step_seconds"].append(now - previous)
            previous = now
            if step == 1:
                report["first_step"] = time.time() - start
            if step == options.steps:
                break
        if step == options.steps:
            break
        training = time.perf_counter() - epoch_start
        if test is None:
            test = read_split(options.data, "t10k")
        accuracy, loss = evaluate(net, *test, rank, world, options.evaluation_batch, options.channels_last)
        if rank == 0:
            if options.checkpoint:
                torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}, options.checkpoint)
            speed = seen * world / training
            report["epochs"].append({"accuracy": accuracy, "test_loss": loss, "train_loss": (running / seen).item(), "images_per_second": speed})
            print(f"epoch {epoch + 1}  loss {running / seen:.4f}  test loss {loss:.4f}  accuracy {accuracy:.4f}  {speed:.0f} images/s", flush=True)
    if rank == 0:
        report["whole"] = time.time() - start
        if options.report:
            Path(options.report).write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
