"""Losses and gradients as PyTorch computes them in double precision, written to loss.json.

Run from the root of the repository: python3 tests/golden/make_loss.py
"""
import json
import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(11)
cases = []


def f32(a):
    return np.asarray(a, np.float32).astype(float)


def case(type_, config, x, target, loss):
    x = torch.tensor(f32(x), requires_grad=True)
    labels = target.dtype.kind == "i"
    t = torch.tensor(target) if labels else torch.tensor(f32(target))
    value = loss(x, t)
    value.backward()
    cases.append({"type": type_, "config": config, "output": x.detach().tolist(), "labels" if labels else "values": t.tolist(),
                  "loss": value.item(), "grad": x.grad.tolist()})


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


for rows, width in [(3, 10), (4, 17)]:
    x = rng.normal(0, 3, (rows, width))
    y = rng.normal(0, 3, (rows, width))
    labels = rng.integers(0, width, rows)
    soft = softmax(rng.normal(0, 1, (rows, width)))
    unit = rng.uniform(0, 1, (rows, width))
    hot = lambda t: F.one_hot(t, width).double()
    for reduction in ["mean", "sum"]:
        c = {"reduction": reduction}
        case("MSE", c, x, y, lambda a, t: F.mse_loss(a, t, reduction=reduction))
        case("MSE", c, x, labels, lambda a, t: F.mse_loss(a, hot(t), reduction=reduction))
        case("Huber", c, x, y, lambda a, t: F.huber_loss(a, t, reduction=reduction))
        case("Huber", {"delta": 2.5, **c}, x, y, lambda a, t: F.huber_loss(a, t, delta=2.5, reduction=reduction))
        case("CrossEntropy", c, x, labels, lambda a, t: F.cross_entropy(a, t, reduction=reduction))
        case("CrossEntropy", c, x, soft, lambda a, t: F.cross_entropy(a, t, reduction=reduction))
        case("CrossEntropy", {"label_smoothing": 0.1, **c}, x, labels,
             lambda a, t: F.cross_entropy(a, t, label_smoothing=0.1, reduction=reduction))
        case("CrossEntropy", {"label_smoothing": 0.1, **c}, x, soft,
             lambda a, t: F.cross_entropy(a, t, label_smoothing=0.1, reduction=reduction))
        case("NLL", c, np.log(softmax(x)), labels, lambda a, t: F.nll_loss(a, t, reduction=reduction))
        case("ProbabilityCrossEntropy", c, softmax(x / 3), labels, lambda a, t: F.nll_loss(a.log(), t, reduction=reduction))
        case("BCE", c, x, unit, lambda a, t: F.binary_cross_entropy_with_logits(a, t, reduction=reduction))
        case("BCE", c, x, labels, lambda a, t: F.binary_cross_entropy_with_logits(a, hot(t), reduction=reduction))
        case("BCE", {"logits": False, **c}, np.clip(unit, 0.01, 0.99), soft, lambda a, t: F.binary_cross_entropy(a, t, reduction=reduction))
# One output: the label is the wanted value.
case("BCE", {}, rng.normal(0, 2, (5, 1)), rng.integers(0, 2, 5), lambda a, t: F.binary_cross_entropy_with_logits(a, t.double()[:, None]))
# Probabilities 0 and 1: PyTorch's floor under the logarithm
case("BCE", {"logits": False}, np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[1.0, 1.0, 0.0, 0.0]]), F.binary_cross_entropy)


def short(value):
    """Nine digits: enough to tell any two float32 apart."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    return [short(v) for v in value] if isinstance(value, list) else value


with open("tests/golden/loss.json", "w") as file:
    json.dump(short(cases), file)
    file.write("\n")
