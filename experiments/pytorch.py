"""Rows of the results table that miss their documented number, trained in PyTorch: the same network, initialization, data,
optimizer and epochs, with seeds of its own. Two programs that agree put the cause in the document, not in either program.

    python3 experiments/pytorch.py P02 L06 --seeds 5        appends to experiments/pytorch.csv what is not there yet

Needs torch and numpy. MNIST is looked for in $PERILUNE_DATA, ./data and ~/.local/share/perilune. One thread.
"""
import argparse
import csv
import gzip
import os
import time

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def idx(name):
    """An IDX file of MNIST as an array."""
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    for folder in [os.environ.get("PERILUNE_DATA"), "data", os.path.join(home, "perilune")]:
        for ending, opener in (("", open), (".gz", gzip.open)):
            path = os.path.join(folder or "", "mnist", name + ending)
            if folder and os.path.exists(path):
                with opener(path, "rb") as file:
                    raw = file.read()
                axes = raw[3]
                shape = np.frombuffer(raw, ">i4", axes, 4)
                return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
    raise SystemExit(f"{name} is not there; set PERILUNE_DATA to the folder that holds mnist/")


def images(name):
    return torch.from_numpy(idx(name).astype(np.float32) / 255).unsqueeze(1)


def labels(name):
    return torch.from_numpy(idx(name).astype(np.int64))


def uniform(layer, half):
    nn.init.uniform_(layer.weight, -half, half)
    nn.init.uniform_(layer.bias, -half, half)
    return layer


def he(layer):
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def glorot(layer):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def dense(*tail):
    """P02 to P05: one hidden layer of 128."""
    first, last = uniform(nn.Linear(784, 128), 0.5), uniform(nn.Linear(128, 10), 0.5)
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), *[t for t in tail if isinstance(t, nn.Dropout)], last,
                         *[t for t in tail if not isinstance(t, nn.Dropout)])


def lenet5():
    return nn.Sequential(
        he(nn.Conv2d(1, 6, 5)), nn.Tanh(), nn.MaxPool2d(2), he(nn.Conv2d(6, 16, 5)), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), he(nn.Linear(256, 120)), nn.Tanh(), he(nn.Linear(120, 84)), nn.Tanh(), he(nn.Linear(84, 10)))


def convnet():
    return nn.Sequential(
        glorot(nn.Conv2d(1, 32, 3)), nn.ReLU(), nn.MaxPool2d(2), glorot(nn.Conv2d(32, 64, 3)), nn.ReLU(), nn.MaxPool2d(2),
        glorot(nn.Conv2d(64, 64, 3)), nn.ReLU(), nn.Flatten(), glorot(nn.Linear(576, 64)), nn.ReLU(), glorot(nn.Linear(64, 10)))


def normed(*conv, **more):
    """A convolution in Keras' initialization, and its batch normalization."""
    return nn.Sequential(glorot(nn.Conv2d(*conv, **more)), nn.BatchNorm2d(conv[1], eps=1e-3, momentum=0.01))


class Bottleneck(nn.Module):
    """C03: 1x1 to 64, 3x3, 1x1 to 256, added to the shortcut; a 1x1 convolution to 256 if the input has fewer."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(normed(channels, 64, 1), nn.ReLU(), normed(64, 64, 3, padding="same"), nn.ReLU(),
                                   normed(64, 256, 1))
        self.shortcut = nn.Identity() if channels == 256 else normed(channels, 256, 1)

    def forward(self, x):
        return F.relu(self.inner(x) + self.shortcut(x))


def resnet():
    return nn.Sequential(
        normed(1, 64, 3), nn.ReLU(), nn.MaxPool2d(3, 2), Bottleneck(64), Bottleneck(256),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), glorot(nn.Linear(256, 10)))


class FromScratch(nn.Module):
    """A01 to A04: a bias for every position of the convolution's output; three dropouts, the last on the ten outputs."""

    def __init__(self, *drop):
        super().__init__()
        self.drop = drop
        self.kernels = nn.Parameter(torch.randn(10, 1, 3, 3))
        self.bias = nn.Parameter(torch.randn(10, 26, 26))
        self.hidden, self.last = nn.Linear(6760, 128), nn.Linear(128, 10)
        for layer in (self.hidden, self.last):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        on = self.training
        x = F.dropout(F.relu(F.conv2d(x, self.kernels) + self.bias), self.drop[0], on).flatten(1)
        x = F.dropout(F.relu(self.hidden(x)), self.drop[1], on)
        return F.dropout(F.relu(self.last(x)), self.drop[2], on)


def one_hot_mse(output, label):
    return F.mse_loss(output, F.one_hot(label, 10).float())


def summed(output, label):
    return F.cross_entropy(output, label, reduction="sum")


class AdamEpoch(torch.optim.Adam):
    """Adam whose bias correction counts epochs instead of steps, as document 003's code does."""
    epoch = 1

    def step(self, closure=None):
        for state in self.state.values():
            state["step"].fill_(self.epoch - 1)
        return super().step(closure)


class AveragedMomentum:
    """v = rho v + (1 - rho) g; w = w - decay w - lr v (document 004's code: the decay is not multiplied by the rate)."""

    def __init__(self, params, lr, rho, decay):
        self.params, self.lr, self.rho, self.decay = list(params), lr, rho, decay
        self.v = [torch.zeros_like(p) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        torch._foreach_mul_(self.v, self.rho)
        torch._foreach_add_(self.v, [p.grad for p in self.params], alpha=1 - self.rho)
        torch._foreach_mul_(self.params, 1 - self.decay)
        torch._foreach_add_(self.params, self.v, alpha=-self.lr)


class Decayed:
    """Keras' decay: the rate of step t, from 0, is lr / (1 + decay t). Momentum is summed before the rate multiplies
    it, not after: with a decay of 1e-5 the two differ by that much of a step."""

    def __init__(self, inner, decay):
        self.inner, self.decay, self.t = inner, decay, 0
        self.lr = inner.param_groups[0]["lr"]
        self.zero_grad = inner.zero_grad

    def step(self):
        self.inner.param_groups[0]["lr"] = self.lr / (1 + self.decay * self.t)
        self.t += 1
        self.inner.step()


def sgd(lr, **more):
    return lambda params: torch.optim.SGD(params, lr, **more)


def adam(lr, **more):
    return lambda params: torch.optim.Adam(params, lr, fused=True, **more)


def decayed(optimizer, decay):
    return lambda params: Decayed(optimizer(params), decay)


def from_scratch(*drop):
    return lambda: FromScratch(*drop)


AS_DOCUMENT_001 = {"per_class": 2000, "dropout_in_test": True}
# row: network, loss, optimizer, batch, epochs, and what else differs
ROWS = {
    "P02": (lambda: dense(nn.Tanh()), one_hot_mse, sgd(0.1), 32, 100, {}),
    "P04": (dense, F.cross_entropy, lambda params: AdamEpoch(params, 0.01), 32, 30, {}),
    "P05": (lambda: dense(nn.Dropout(0.2)), F.cross_entropy, adam(0.001), 16, 50, {}),
    "L03": (lenet5, summed, lambda params: AveragedMomentum(params, 1e-4, 0.8, 3e-5), 64, 26, {"centred": True}),
    "L05": (lenet5, summed, lambda params: torch.optim.RMSprop(params, 1e-3, 0.9, 1e-8), 64, 26, {"centred": True}),
    "L06": (lenet5, summed, adam(1e-2), 64, 26, {"centred": True}),
    "C02 lr=0.01": (convnet, F.cross_entropy, adam(0.01, eps=1e-7), 32, 30, {"patience": 3}),
    "C02 lr=0.0001": (convnet, F.cross_entropy, adam(0.0001, eps=1e-7), 32, 30, {"patience": 3}),
    "C03 lr=0.01": (resnet, F.cross_entropy, adam(0.01, eps=1e-7), 32, 30, {"patience": 3}),
    "A01": (from_scratch(0.4, 0.5, 0.2), F.cross_entropy, sgd(1e-4), 1, 100, AS_DOCUMENT_001),
    "A03": (from_scratch(0.4, 0.5, 0.2), F.cross_entropy, decayed(sgd(1e-4, momentum=0.8), 1e-5), 1, 100, AS_DOCUMENT_001),
    "A04": (from_scratch(0, 0.2, 0.2), F.cross_entropy, decayed(adam(1e-4, eps=1e-7), 1e-5), 1, 100, AS_DOCUMENT_001),
}


@torch.no_grad()
def accuracy(model, x, y):
    right = 0
    for i in range(0, len(x), 1000):
        right += (model(x[i:i + 1000]).argmax(1) == y[i:i + 1000]).sum().item()
    return right / len(x)


def train(row, seed):
    network, loss, optimizer, batch, epochs, more = ROWS[row]
    torch.manual_seed(seed)
    x, y = images("train-images-idx3-ubyte"), labels("train-labels-idx1-ubyte")
    test_x, test_y = images("t10k-images-idx3-ubyte"), labels("t10k-labels-idx1-ubyte")
    if "centred" in more:
        mean = x.mean()
        x, test_x = x - mean, test_x - mean
    if "per_class" in more:
        chosen = torch.cat([(y == digit).nonzero()[:more["per_class"], 0] for digit in range(10)])
        x, y = x[chosen], y[chosen]
    if "patience" in more:    # the last tenth is the validation set
        held = len(x) // 10
        x, val_x, y, val_y = x[:-held], x[-held:], y[:-held], y[-held:]
    model = network().to(memory_format=torch.channels_last)    # a quarter faster on a CPU
    opt = optimizer(model.parameters())
    best, best_epoch, kept = -1.0, 0, None
    for epoch in range(1, epochs + 1):
        before = [p.detach().clone() for p in model.parameters()]
        model.train()
        opt.epoch = epoch
        order = torch.randperm(len(x))
        for i in range(0, len(x), batch):
            rows = order[i:i + batch]
            opt.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            opt.step()
        if "patience" in more:
            model.eval()
            now = accuracy(model, val_x, val_y)
            if now > best:
                best, best_epoch = now, epoch
                kept = {name: value.clone() for name, value in model.state_dict().items()}
            elif epoch - best_epoch >= more["patience"]:
                break
        if all(torch.equal(old, p) for old, p in zip(before, model.parameters())):
            break    # dead: an epoch without a gradient, as all that would follow
    if kept:
        model.load_state_dict(kept)
    model.train("dropout_in_test" in more)
    return 1 - accuracy(model, test_x, test_y), epoch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", default=os.path.join(HERE, "pytorch.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)    # momentum that fades on weights of silent inputs is slow to compute with
    done = set()
    if os.path.exists(arguments.out):
        with open(arguments.out, newline="") as file:
            done = {(line["row"], int(line["seed"])) for line in csv.DictReader(file)}
    for row in arguments.rows:
        for seed in range(1, arguments.seeds + 1):
            if (row, seed) in done:
                continue
            start = time.time()
            error, epochs = train(row, seed)
            fresh = not os.path.exists(arguments.out)
            with open(arguments.out, "a", newline="") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(["row", "seed", "error", "epochs", "seconds", "version"])
                writer.writerow([row, seed, f"{error:.4f}", epochs, round(time.time() - start), torch.__version__])
            print(f"{row} seed {seed}: {100 * error:.2f} % after {epochs} epochs", flush=True)


if __name__ == "__main__":
    main()
