#!/usr/bin/env python3
"""Makes the numbers that the runtime is compared with, by PyTorch itself.

    python3 -m venv venv && venv/bin/pip install torch==2.11.0 numpy safetensors
    venv/bin/python make_golden.py

Reads Fashion-MNIST from Debian's package dataset-fashion-mnist and writes beside itself:

    weights-MODEL.safetensors   initial weights after torch.manual_seed(1), 32-bit
    losses.json                 the loss of each of the first 20 steps from these weights
    optimizers.json             SGD and AdamW on three numbers, 12 steps
    initial_weights.json        SHA-256 of each parameter's bytes at full width, after torch.manual_seed(seed)
    sampler.json                torch.utils.data.DistributedSampler
"""
import gzip
import hashlib
import json
import pathlib

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

here = pathlib.Path(__file__).parent
data = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, STD, SEED, BATCH, STEPS = 0.2860, 0.3530, 1, 64, 20


class Cnn(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.fc1 = nn.Linear(2 * width * 7 * 7, 4 * width)
        self.fc2 = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(784, 4 * width)
        self.fc2 = nn.Linear(4 * width, 10)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


MODELS = {"mlp": (Mlp, 32), "cnn": (Cnn, 8)}  # kept small enough to stand in the repository
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}),
    "adamw": (torch.optim.AdamW, {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
}


def read_training_set():
    pixels = gzip.decompress((data / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((data / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    return (torch.from_numpy(numpy.frombuffer(pixels, numpy.uint8).copy()).view(-1, 1, 28, 28),
            torch.from_numpy(numpy.frombuffer(labels, numpy.uint8).copy()).long())


def sampler(n, replicas, rank, seed, epoch):
    made = torch.utils.data.DistributedSampler(range(n), num_replicas=replicas, rank=rank, shuffle=True, seed=seed)
    made.set_epoch(epoch)
    return list(made)


def losses(weights, model, optimizer, dtype, pixels, labels):
    kind, width = MODELS[model]
    net = kind(width)
    net.load_state_dict(weights)
    net = net.to(dtype)
    rule, options = OPTIMIZERS[optimizer]
    update = rule(net.parameters(), **options)
    order = sampler(len(labels), 1, 0, SEED, 0)
    out = []
    for step in range(STEPS):
        chosen = torch.tensor(order[step * BATCH:(step + 1) * BATCH])
        inputs = (pixels[chosen].to(dtype) / 255 - MEAN) / STD
        loss = F.cross_entropy(net(inputs), labels[chosen])
        update.zero_grad()
        loss.backward()
        update.step()
        out.append(loss.item())
    return out


def trajectory(optimizer, options, dtype):
    weights = torch.tensor([1.0, -2.0, 3.0], dtype=dtype, requires_grad=True)
    update = optimizer([weights], **options)
    out = []
    for step in range(12):
        weights.grad = torch.tensor([0.1 * (step + 1), -0.3, 0.5 - 0.1 * step], dtype=dtype)
        update.step()
        out.append(weights.detach().double().tolist())
    return out


def write(name, value):
    (here / name).write_text(json.dumps(value, indent=1) + "\n")


def main():
    torch.set_num_threads(1)
    pixels, labels = read_training_set()
    all_losses = []
    for model, (kind, width) in MODELS.items():
        torch.manual_seed(SEED)
        weights = kind(width).state_dict()
        save_file(weights, here / f"weights-{model}.safetensors")
        for optimizer, (_, options) in OPTIMIZERS.items():
            for precision, dtype in {"32-true": torch.float32, "64-true": torch.float64}.items():
                all_losses.append({"model": model, "width": width, "optimizer": optimizer, "options": options, "precision": precision,
                                   "seed": SEED, "batch_size": BATCH, "mean": MEAN, "std": STD,
                                   "losses": losses(weights, model, optimizer, dtype, pixels, labels)})
    write("losses.json", all_losses)

    cases = {
        "sgd plain": (torch.optim.SGD, {"lr": 0.1}),
        "sgd decay": (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.05}),
        "sgd momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        "sgd momentum decay": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
        "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}),
        "adamw decay": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-6}),
    }
    write("optimizers.json", [{"case": name, "optimizer": rule.__name__.lower(), "options": options, "weights": trajectory(rule, options, torch.float64)}
                              for name, (rule, options) in cases.items()])

    initial = []
    for model, kind in {"mlp": Mlp, "cnn": Cnn}.items():
        for seed in (0, 1, 4294967295):
            torch.manual_seed(seed)
            digests = {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in kind(32).state_dict().items()}
            initial.append({"model": model, "seed": seed, "parameters": digests})
    write("initial_weights.json", initial)

    write("sampler.json", [{"n": n, "world": world, "seed": seed, "epoch": epoch,
                            "indices": [sampler(n, world, rank, seed, epoch) for rank in range(world)]}
                           for n, world, seed, epoch in [(10, 3, 0, 0), (10, 3, 0, 1), (10, 3, 1, 0), (10, 3, 1, 1), (10, 3, 42, 0), (10, 3, 42, 3),
                                                         (8, 2, 1, 0), (7, 2, 5, 0), (3, 4, 1, 0), (1, 4, 9, 2), (2, 5, 3, 0), (5, 8, 7, 1),
                                                         (101, 4, 4294967295, 5)]])


if __name__ == "__main__":
    main()
