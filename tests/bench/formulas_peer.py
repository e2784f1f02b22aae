"""The networks of formulas.lua in PyTorch, measured when asked. Lines in: "prepare\tNAME", "run\tNAME\tSECONDS"; lines out:
which of eager and compiled is the faster, and samples per second. The first line out says that torch is there.

usage: formulas_peer.py THREADS
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from peer import data


class Gated(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.a, self.b = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

    def forward(self, x):
        return self.a(x) * torch.sigmoid(self.b(x))


def normed(width):
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 10))


NETWORKS = {
    "LayerNorm": (64, normed(256)),
    "LayerNorm, large": (256, normed(1024)),
    "gated linear": (64, lambda: nn.Sequential(nn.Flatten(), Gated(784, 128), nn.Linear(128, 10))),
    "gated linear, large": (256, lambda: nn.Sequential(nn.Flatten(), Gated(784, 512), Gated(512, 512), nn.Linear(512, 10))),
}


class Trial:
    def __init__(self, name, compiled):
        self.batch, make = NETWORKS[name]
        torch.manual_seed(1)
        self.model = make()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.loss = lambda x, y: F.cross_entropy(self.model(x), y)
        if compiled:
            self.loss = torch.compile(self.loss)
        self.at = 0

    def step(self):
        if self.at + self.batch > len(X):
            self.at = 0
        rows = slice(self.at, self.at + self.batch)
        self.at += self.batch
        loss = self.loss(X[rows], Y[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def run(self, seconds):
        start, samples = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step()
            samples += self.batch
        return samples / (time.perf_counter() - start)


def prepare(name):
    """The better of eager and compiled."""
    found = {}
    for setting in ("eager", "torch.compile"):
        try:
            trial = Trial(name, setting != "eager")
            trial.run(0.1)
            found[setting] = (trial.run(0.3), trial)
        except Exception:  # no compiler here
            pass
    best = max(found, key=lambda setting: found[setting][0])
    return best, found[best][1]


torch.set_num_threads(int(sys.argv[1]))
X, Y = data(60000)
print("torch", torch.__version__, flush=True)
trials = {}
for line in sys.stdin:
    words = line.rstrip("\n").split("\t")
    if words[0] == "prepare":
        setting, trials[words[1]] = prepare(words[1])
        print("PyTorch", torch.__version__, setting, flush=True)
    else:
        print(trials[words[1]].run(float(words[2])), flush=True)
