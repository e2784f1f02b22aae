"""Layers and small nets as PyTorch computes them in double precision, written to layers.json: outputs, gradients for the
input and the parameters, running statistics, and the output in inference afterwards.

Inputs, parameters and gradients of the output are not in the file: both sides make them from `numbers`. Of large arrays
every k-th number is kept. Layouts are ours: images [N, H, W, C], weights [kh, kw, in, out] and [in, out].

Run from the root of the repository: python3 tests/golden/make_layers.py
"""
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
KEPT = 160   # numbers of an array that are written, about


def numbers(n, stream):
    """n floats in [-1, 1), exact in single precision: a function of the place and the stream."""
    h = (np.arange(n, dtype=np.uint64) * 2654435761 + stream * 40503 + 12345) & 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 2246822519) & 0xFFFFFFFF
    h ^= h >> 13
    h = (h * 3266489917) & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8).astype(float) / 2**23 - 1


class Net:
    """Interprets a description (type, config, layers) with PyTorch's functions; parameters in the order of the description."""

    def __init__(self, description):
        self.description, self.params, self.states, self.training = description, [], [], True

    def param(self, at, *shape):
        if at == len(self.params):
            n, fan = int(np.prod(shape)), int(np.prod(shape[:-1]))
            scale = 2.0 ** -round(np.log2(max(fan, 1)) / 2)   # a power of two: exact
            self.params.append(torch.tensor(numbers(n, 100 + at).reshape(shape) * scale, requires_grad=True))
        return self.params[at]

    def __call__(self, x):
        self.next_param = self.next_state = 0
        return self.layer(self.description, x)

    def take(self, *shape):
        self.next_param += 1
        return self.param(self.next_param - 1, *shape)

    def layer(self, d, x):
        c = d.get("config", {})
        return getattr(self, d["type"])(x, d.get("layers", []), **c)

    def Sequential(self, x, layers):
        for d in layers:
            x = self.layer(d, x)
        return x

    def Residual(self, x, layers):
        y = self.layer(layers[0], x)
        return y + (self.layer(layers[1], x) if len(layers) > 1 else x)

    def Linear(self, x, _, **c):
        w = self.take(c["in"], c["out"])
        return F.linear(x, w.t(), self.take(c["out"]) if c.get("bias", True) else None)

    def Conv2d(self, x, _, **c):
        (kh, kw), stride, padding, bias = two(c["kernel"]), two(c.get("stride", 1)), c.get("padding", 0), c.get("bias", "true")
        w = self.take(kh, kw, c["in"], c["out"]).permute(3, 2, 0, 1)
        y = F.conv2d(x.permute(0, 3, 1, 2), w, None, stride, padding if padding == "same" else two(padding)).permute(0, 2, 3, 1)
        if bias == "false":
            return y
        return y + (self.take(c["out"]) if bias == "true" else self.take(*y.shape[1:]))

    def MaxPool2d(self, x, _, kernel, stride=None, padding=0):
        return F.max_pool2d(x.permute(0, 3, 1, 2), two(kernel), two(stride or kernel), two(padding)).permute(0, 2, 3, 1)

    def AvgPool2d(self, x, _, kernel, stride=None, padding=0, count_include_pad=True):
        return F.avg_pool2d(x.permute(0, 3, 1, 2), two(kernel), two(stride or kernel), two(padding), count_include_pad=count_include_pad).permute(0, 2, 3, 1)

    def GlobalAvgPool2d(self, x, _):
        return F.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), 1).flatten(1)

    def BatchNorm(self, x, _, features, momentum=0.1, eps=1e-5, affine=True):
        w, b = (self.take(features), self.take(features)) if affine else (None, None)
        if self.next_state == len(self.states):
            self.states.append([torch.zeros(features), torch.ones(features)])
        mean, var = self.states[self.next_state]
        self.next_state += 1
        return F.batch_norm(x.reshape(-1, features), mean, var, w, b, self.training, momentum, eps).reshape(x.shape)

    def Flatten(self, x, _): return x.flatten(1)
    def Reshape(self, x, _, shape): return x.reshape(x.shape[0], *shape)
    def Identity(self, x, _): return nn.Identity()(x)
    def Dropout(self, x, _, p): return F.dropout(x, p, self.training)
    def ReLU(self, x, _): return F.relu(x)
    def LeakyReLU(self, x, _, slope=0.01): return F.leaky_relu(x, slope)
    def ELU(self, x, _, alpha=1.0): return F.elu(x, alpha)
    def Tanh(self, x, _): return torch.tanh(x)
    def Sigmoid(self, x, _): return torch.sigmoid(x)
    def GELU(self, x, _, approximate="none"): return F.gelu(x, approximate=approximate)
    def SiLU(self, x, _): return F.silu(x)
    def Softmax(self, x, _): return F.softmax(x, -1)
    def LogSoftmax(self, x, _): return F.log_softmax(x, -1)


def two(v):
    return [v, v] if isinstance(v, int) else list(v)


def layer(type_, *layers, **config):
    d = {"type": type_}
    if config:
        d["config"] = {k.rstrip("_"): v for k, v in config.items()}   # in_: `in` is a word of Python's
    if layers:
        d["layers"] = list(layers)
    return d


def conv(i, o, k, **c): return layer("Conv2d", in_=i, out=o, kernel=k, **c)
def linear(i, o, **c): return layer("Linear", in_=i, out=o, **c)


cases = []


def kept(t):
    a = t.detach().contiguous().numpy().ravel()
    return [float("%.8g" % v) for v in a[::max(1, a.size // KEPT)]]


def case(name, n, shape, description, spread=2.0):
    net = Net(description)
    x = torch.tensor(numbers(n * int(np.prod(shape)), 1).reshape(n, *shape) * spread, requires_grad=True)
    y = net(x)
    y.backward(torch.tensor(numbers(y.numel(), 2).reshape(y.shape)))
    net.training = False
    cases.append({"name": name, "model": description, "n": n, "shape": list(shape), "spread": spread, "output": list(y.shape[1:]), "y": kept(y), "dx": kept(x.grad),
                  "grads": [kept(p.grad) for p in net.params], "states": [kept(s) for pair in net.states for s in pair], "inference": kept(net(x))})


for k, (n, shape) in enumerate([(3, (7,)), (2, (3, 7)), (2, (2, 2, 7))]):
    case(f"linear {k}", n, shape, linear(7, 5, bias=k != 1))
case("conv", 2, (7, 6, 3), conv(3, 4, 3))
case("conv 5x5 same", 2, (8, 9, 2), conv(2, 3, 5, padding="same"))
case("conv even same", 2, (6, 6, 2), conv(2, 3, [2, 4], padding="same"))
case("conv stride, padding", 2, (9, 8, 2), conv(2, 3, [3, 2], stride=[2, 3], padding=[1, 2]))
case("conv no bias", 2, (5, 5, 3), conv(3, 2, 1, bias="false"))
case("conv per position", 2, (5, 6, 2), conv(2, 3, 3, padding=1, bias="per-position"))
case("conv by Winograd 3x3", 2, (9, 7, 16), conv(16, 16, 3, padding="same"))
case("conv by Winograd 5x5", 2, (6, 7, 16), conv(16, 17, 5, padding=1))
case("maxpool", 2, (6, 8, 3), layer("MaxPool2d", kernel=2))
case("maxpool overlapping", 2, (7, 9, 2), layer("MaxPool2d", kernel=[3, 2], stride=[2, 1], padding=[1, 1]))
case("avgpool", 2, (6, 8, 3), layer("AvgPool2d", kernel=2))
case("avgpool padded", 2, (7, 8, 2), layer("AvgPool2d", kernel=3, stride=2, padding=1))
case("avgpool padded, not counted", 2, (7, 8, 2), layer("AvgPool2d", kernel=3, stride=2, padding=1, count_include_pad=False))
case("global average", 3, (5, 4, 6), layer("GlobalAvgPool2d"))
case("batchnorm features", 9, (5,), layer("BatchNorm", features=5))
case("batchnorm channels", 4, (3, 5, 6), layer("BatchNorm", features=6, momentum=0.25, eps=0.001))
case("batchnorm plain", 6, (2, 3), layer("BatchNorm", features=3, affine=False))
for type_, config in [("ReLU", {}), ("LeakyReLU", {}), ("LeakyReLU", {"slope": 0.25}), ("ELU", {}), ("ELU", {"alpha": 0.5}), ("Tanh", {}), ("Sigmoid", {}),
                      ("GELU", {}), ("GELU", {"approximate": "tanh"}), ("SiLU", {}), ("Softmax", {}), ("LogSoftmax", {})]:
    case(f"{type_} {config}", 3, (2, 13), layer(type_, **config), spread=8.0)
case("reshape, flatten, identity", 2, (3, 4), layer("Sequential", layer("Reshape", shape=[2, 2, 3]), layer("Identity"), layer("Flatten"), linear(12, 3)))
case("dropout of nothing", 2, (5,), layer("Sequential", linear(5, 4), layer("Dropout", p=0.0), layer("Tanh")))

case("LeNet-5", 2, (28, 28, 1), layer(
    "Sequential", conv(1, 6, 5, padding="same"), layer("Tanh"), layer("AvgPool2d", kernel=2), conv(6, 16, 5), layer("Tanh"), layer("AvgPool2d", kernel=2),
    layer("Flatten"), linear(400, 120), layer("Tanh"), linear(120, 84), layer("Tanh"), linear(84, 10), layer("LogSoftmax")))
case("two convolutions", 3, (14, 14, 1), layer(
    "Sequential", conv(1, 8, 5, padding="same"), layer("ReLU"), layer("MaxPool2d", kernel=2), conv(8, 16, 5, padding="same"), layer("ReLU"), layer("MaxPool2d", kernel=2),
    layer("Flatten"), linear(144, 10)))
case("residual", 3, (8, 8, 3), layer(
    "Sequential", conv(3, 16, 3, padding=1, bias="false"), layer("BatchNorm", features=16), layer("ReLU"),
    layer("Residual", layer("Sequential", conv(16, 16, 3, padding=1), layer("BatchNorm", features=16), layer("ReLU"), conv(16, 16, 3, padding=1))),
    layer("Residual", layer("Sequential", layer("GELU"), conv(16, 8, 3, stride=2, padding=1)), conv(16, 8, 1, stride=2)),
    layer("SiLU"), layer("GlobalAvgPool2d"), linear(8, 4)))
case("dense with batch norm", 12, (20,), layer(
    "Sequential", linear(20, 16), layer("BatchNorm", features=16), layer("ELU"), layer("Residual", layer("Sequential", linear(16, 16), layer("Sigmoid"))), linear(16, 6), layer("Softmax")))

with open("tests/golden/layers.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
