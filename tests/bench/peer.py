"""The documented networks in PyTorch, for `make bench`: training from data in memory and inference on batches of 256, with
the better of 1 and of all threads, of the two memory layouts, and with torch.compile where that works.

usage: peer.py NETWORK [--seconds S] [--repeat N] [--compile-limit S]        prints one JSON object
"""
import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


def idx(name):
    """An IDX file of MNIST as an array, or None; looked for where Perilune looks."""
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    for folder in [os.environ.get("PERILUNE_DATA") or "data", "data", os.path.join(home, "perilune")]:
        for spelling in (name, name.replace("-idx", ".idx")):
            for path, opener in ((spelling, open), (spelling + ".gz", gzip.open)):
                path = os.path.join(folder, "mnist", path)
                if os.path.exists(path):
                    with opener(path, "rb") as file:
                        raw = file.read()
                    axes = raw[3]
                    shape = np.frombuffer(raw, ">i4", axes, 4)
                    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
    return None


def data(count):
    """The first `count` training images [N, 1, 28, 28] in [0, 1] and their labels."""
    images, labels = idx("train-images-idx3-ubyte"), idx("train-labels-idx1-ubyte")
    if images is None or labels is None:    # as many dark pixels, and nothing to learn
        generator = np.random.default_rng(1)
        images = generator.integers(0, 256, (60000, 28, 28)) * (generator.random((60000, 28, 28)) < 0.2)
        labels = generator.integers(0, 10, 60000)
    x = torch.from_numpy(images[:count].astype(np.float32) / 255).unsqueeze(1)
    return x, torch.from_numpy(labels[:count].astype(np.int64))


class PerPosition(nn.Module):
    """A bias for every output of a convolution."""

    def __init__(self, *shape):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return x + self.bias


class Bottleneck(nn.Module):
    def __init__(self, channels, shortcut):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, 64, 1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 256, 1), nn.BatchNorm2d(256))
        self.shortcut = shortcut

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 5, padding=2)


def wide(widths, last):
    a, b, c, d = widths
    return nn.Sequential(
        conv(1, a), nn.ReLU(), nn.Dropout(0.2), conv(a, b), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        conv(b, c), nn.ReLU(), nn.Dropout(0.2), conv(c, d), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(), *last)


def mean_square(y, labels):
    return F.mse_loss(y, F.one_hot(labels, 10).float())


def adam(lr):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr, fused=True)


def sgd(lr, momentum=0.0):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=momentum, fused=True)


class Network:
    def __init__(self, make, batch, optimizer, loss=F.cross_entropy, count=60000):
        self.make, self.batch, self.optimizer, self.loss, self.count = make, batch, optimizer, loss, count


NETWORKS = {
    "P01": Network(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.Tanh(), nn.Linear(100, 50), nn.Tanh(), nn.Linear(50, 10), nn.Tanh()),
                   1, sgd(0.1), mean_square, count=5000),
    "P04": Network(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 10)), 32, adam(0.002)),
    "P08": Network(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 50), nn.ReLU(), nn.Dropout(0.2),
                                         nn.Linear(50, 10)), 16, adam(0.0005)),
    "P09": Network(lambda: nn.Sequential(
        conv(1, 8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), conv(8, 16), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Flatten(), nn.Linear(16 * 49, 10)), 16, adam(0.001)),
    "P10": Network(lambda: nn.Sequential(
        conv(1, 16), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), conv(16, 32), nn.ReLU(), nn.Dropout(0.2), conv(32, 48), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(48 * 49, 10)), 16, adam(0.001)),
    "P11": Network(lambda: wide((16, 32, 48, 64), [nn.Linear(3136, 10)]), 16, adam(0.001)),
    "P12": Network(lambda: wide((16, 32, 48, 64), [nn.Linear(3136, 10)]), 16, adam(0.001)),
    "P13": Network(lambda: wide((32, 64, 96, 128), [nn.Linear(6272, 10), nn.BatchNorm1d(10), nn.Linear(10, 10)]), 64, adam(0.0005)),
    "LeNet": Network(lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)), 64, sgd(0.001),
        lambda y, labels: F.cross_entropy(y, labels, reduction="sum")),
    "U02": Network(lambda: nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)), 64, adam(0.001)),
    "C03": Network(lambda: nn.Sequential(
        nn.Conv2d(1, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2),
        Bottleneck(64, nn.Sequential(nn.Conv2d(64, 256, 1), nn.BatchNorm2d(256))), Bottleneck(256, nn.Identity()),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)), 32, adam(0.001), count=54000),
    "A05": Network(lambda: nn.Sequential(
        nn.Conv2d(1, 64, 3, bias=False), PerPosition(64, 26, 26), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 676, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 10), nn.ReLU(), nn.Dropout(0.2)), 1, sgd(1e-4, 0.8), count=40000),
}


class Trial:
    """One network under one setting, trained on epoch after epoch."""

    def __init__(self, network, channels_last=False, compiled=False):
        self.network = network
        torch.manual_seed(1)
        self.x, self.labels = data(network.count)
        self.model = network.make()
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = network.optimizer(self.model.parameters())
        self.forward = lambda x, labels: network.loss(self.model(x), labels)
        self.infer = self.model
        if compiled:
            self.forward = torch.compile(self.forward)
            self.infer = torch.compile(self.model)
        self.order, self.at = None, 0

    def step(self):
        n = self.network.batch
        if self.order is None or self.at + n > len(self.order):
            self.order, self.at = torch.randperm(len(self.x)), 0
        rows = self.order[self.at:self.at + n]
        self.at += n
        loss = self.forward(self.x[rows], self.labels[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def train(self, seconds):
        self.model.train()
        return self.timed(self.step, self.network.batch, seconds)

    def infer(self, seconds):
        self.model.eval()
        x = self.x[:256]
        with torch.inference_mode():
            return self.timed(lambda: self.infer(x), 256, seconds)

    @staticmethod
    def timed(action, samples, seconds):
        start, count = time.perf_counter(), 0
        while True:
            action()
            count += samples
            took = time.perf_counter() - start
            if took >= seconds:
                return count / took


def best_of(trials, measure, seconds, repeat):
    """The setting that is fastest at first sight, measured `repeat` times."""
    quick = {}
    for setting, (threads, trial) in trials.items():
        torch.set_num_threads(threads)
        measure(trial, 0.02)
        measure(trial, seconds / 5)
        quick[setting] = measure(trial, seconds / 3)
    setting = max(quick, key=quick.get)
    threads, trial = trials[setting]
    torch.set_num_threads(threads)
    rates = [measure(trial, seconds) for _ in range(repeat)]
    return {"setting": setting, "median": statistics.median(rates), "low": min(rates), "high": max(rates)}


def thread_counts():
    return sorted({1, os.cpu_count() or 1})


def measure_plain(network, seconds, repeat):
    trials = {}
    for layout in (False, True):
        if layout and not any(isinstance(m, nn.Conv2d) for m in network.make().modules()):
            continue
        trial = Trial(network, layout)
        for threads in thread_counts():
            trials[f"{threads} thread{'s' if threads > 1 else ''}{', channels last' if layout else ''}"] = (threads, trial)
    return {"training": best_of(trials, Trial.train, seconds, repeat), "inference": best_of(trials, Trial.infer, seconds / 3, repeat)}


def measure_compiled(network, threads, seconds, repeat):
    torch.set_num_threads(threads)      # before compiling: the number is part of the code
    trials = {f"torch.compile, {threads} thread{'s' if threads > 1 else ''}": (threads, Trial(network, compiled=True))}
    return {"training": best_of(trials, Trial.train, seconds, repeat), "inference": best_of(trials, Trial.infer, seconds / 3, repeat)}


def compiled_apart(name, args):
    """torch.compile in processes of their own, each for as long as the limit allows: the better result of each kind."""
    best, problems = {}, []
    for threads in thread_counts():
        command = [sys.executable, __file__, name, "--compiled", str(threads), "--seconds", str(args.seconds), "--repeat", str(args.repeat)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=args.compile_limit)
        except subprocess.TimeoutExpired:
            problems.append(f"{threads} threads: not done after {args.compile_limit:g} s")
            continue
        if done.returncode != 0:
            problems.append(f"{threads} threads: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
            continue
        for kind, result in json.loads(done.stdout).items():
            if kind not in best or best[kind]["median"] < result["median"]:
                best[kind] = result
    return best, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--compile-limit", type=float, default=300.0, help="seconds; 0: torch.compile is not tried")
    parser.add_argument("--compiled", type=int, metavar="THREADS", help="measure only this")
    args = parser.parse_args()
    network = NETWORKS[args.network]
    torch.set_flush_denormal(True)
    if args.compiled:
        print(json.dumps(measure_compiled(network, args.compiled, args.seconds, args.repeat)))
        return
    result = measure_plain(network, args.seconds, args.repeat)
    if args.compile_limit > 0:
        compiled, problems = compiled_apart(args.network, args)
        result["compiled"], result["problems"] = compiled, problems
    result["version"] = torch.__version__
    print(json.dumps(result))


if __name__ == "__main__":
    main()
