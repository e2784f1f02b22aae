"""Random formulas in PyTorch, in double precision: reads lines of JSON, each a formula with its inputs and the gradients
that were found; prints those that differ. usage: check_formulas.py FILE"""
import json, math, sys
import torch
import torch.nn.functional as F

def var(v):
    return ((v - v.mean(-1, keepdim=True)) ** 2).mean(-1, keepdim=True)

def pow_(v, s, o):
    return (v.abs() + 0.5) ** s["number"]

def gate(v, s, o):
    h, g = v.tanh(), (v * 2).sigmoid()
    return h * g.sum(-1, keepdim=True) + h.exp()

def long(v, s, o):
    for _ in range(12):
        v = v * 1.25 - v * 0.3
    return v

APPLY = {
    "tanh": lambda v, s, o: v.tanh(), "sigmoid": lambda v, s, o: v.sigmoid(), "relu": lambda v, s, o: v.relu(),
    "sin": lambda v, s, o: v.sin(), "cos": lambda v, s, o: v.cos(), "neg": lambda v, s, o: -v,
    "abs": lambda v, s, o: v.abs(), "square": lambda v, s, o: v.tanh() ** 2, "exp": lambda v, s, o: v.tanh().exp(),
    "log": lambda v, s, o: (v.abs() + 0.5).log(), "sqrt": lambda v, s, o: (v * v + 0.25).sqrt(), "pow": pow_,
    "gelu": lambda v, s, o: F.gelu(v), "silu": lambda v, s, o: F.silu(v),
    "softmax": lambda v, s, o: v.softmax(-1), "log_softmax": lambda v, s, o: v.log_softmax(-1),
    "add_number": lambda v, s, o: v + s["number"], "sub_from": lambda v, s, o: s["number"] - v,
    "mul_number": lambda v, s, o: v * s["number"], "over_number": lambda v, s, o: v / s["number"],
    "number_over": lambda v, s, o: s["number"] / (v.abs() + 1),
    "add": lambda v, s, o: v + o, "sub": lambda v, s, o: o - v, "mul": lambda v, s, o: v * o,
    "div": lambda v, s, o: v / (o.abs() + 1), "maximum": lambda v, s, o: torch.maximum(v, o),
    "minimum": lambda v, s, o: torch.minimum(v, o), "where": lambda v, s, o: torch.where(v > o, v * 2, o),
    "gate": gate, "long": long, "clamp": lambda v, s, o: v.clamp(-0.75, 0.5),
    "sum": lambda v, s, o: v - v.sum(-1, keepdim=True) * 0.1, "mean": lambda v, s, o: v - v.mean(-1, keepdim=True),
    "var": lambda v, s, o: v / (var(v) + 0.1).sqrt(), "norm": lambda v, s, o: v / (v.norm(dim=-1, keepdim=True) + 0.5),
    "max": lambda v, s, o: v - v.max(-1, keepdim=True).values, "min": lambda v, s, o: v + v.min(-1, keepdim=True).values,
    "matmul": lambda v, s, o: v @ o,
    "halves": lambda v, s, o: torch.cat([v[..., s["cut"]:], v[..., :s["cut"]]], -1),
    "fold": lambda v, s, o: v.reshape(v.shape[0], s["width"] // 2, 2).transpose(-2, -1).reshape(v.shape[0], s["width"]),
}

def tensor(shape, values):
    return torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_(True)

bad = count = 0
worst = 0.0
for line in open(sys.argv[1]):
    f = json.loads(line)
    leaves = {p["name"]: tensor(p["shape"], p["values"]) for p in f["inputs"]}
    values = [leaves["x"]]
    for s in f["steps"]:
        other = leaves[s["param"]] if "param" in s else values[s["value"]] if "value" in s else None
        values.append(APPLY[s["op"]](values[-1], s, other))
    weight = torch.tensor(f["weight"], dtype=torch.float64).reshape(values[-1].shape)
    (values[-1] * weight).sum().backward()
    count += 1
    for p in f["inputs"]:
        g = leaves[p["name"]].grad.reshape(-1)
        found = torch.tensor(p["gradient"], dtype=torch.float64)
        far = ((g - found).abs().max() / (1 + g.abs().max())).item()
        worst = max(worst, far)
        if not far <= 1e-5:
            bad += 1
            print("seed %d: the gradient for %s is %g from PyTorch's: %s" %
                  (f["seed"], p["name"], far, " ".join(s["op"] for s in f["steps"])))
print("%d formulas, %d gradients differ, the worst by %.2g" % (count, bad, worst))
sys.exit(1 if bad else 0)
