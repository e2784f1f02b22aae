"""Rates of PyTorch's schedulers over 24 epochs, written to schedule.json.

Run from the root of the repository: python3 tests/golden/make_schedule.py
"""
import json
import warnings
import torch
from torch.optim import lr_scheduler as S

warnings.filterwarnings("ignore")
N, LR = 24, 0.08
losses = [2.0, 1.5, 1.2, 1.1999, 1.19985, 1.3, 1.25, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.0, 1.05, 1.04, 1.03, 1.02, 1.01, 1.005, 1.0, 1.0]


def rates(make, metric=None):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    schedule, out = make(opt), []
    for t in range(N):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        if t + 1 < N:
            schedule.step(*([metric[t]] if metric else []))
    return out


cases = [
    ("step", {"every": 5, "factor": 0.3}, rates(lambda o: S.StepLR(o, 5, 0.3))),
    # PyTorch's milestones count epochs from 0, `at` from 1
    ("multi_step", {"at": [4, 9, 21], "factor": 0.5}, rates(lambda o: S.MultiStepLR(o, [3, 8, 20], 0.5))),
    ("exponential", {"factor": 0.9}, rates(lambda o: S.ExponentialLR(o, 0.9))),
    ("inverse", {"k": 0.25}, rates(lambda o: S.LambdaLR(o, lambda t: 1 / (1 + 0.25 * t)))),
    ("cosine", {"epochs": 20, "min": 0.002}, rates(lambda o: S.CosineAnnealingLR(o, 20, 0.002))[:20] + [0.002] * 4),
    ("one_cycle", {"epochs": N, "per": "epoch"}, rates(lambda o: S.OneCycleLR(o, LR, total_steps=N))),
    ("one_cycle", {"epochs": 4, "steps_per_epoch": 6, "warmup": 0.5, "div": 10, "final_div": 100},
     rates(lambda o: S.OneCycleLR(o, LR, total_steps=N, pct_start=0.5, div_factor=10, final_div_factor=100))),
    ("one_cycle", {"epochs": N, "per": "epoch", "warmup": 1.0}, rates(lambda o: S.OneCycleLR(o, LR, total_steps=N, pct_start=1.0))),
    ("plateau", {"patience": 3, "factor": 0.5, "threshold": 0.01, "monitor": "val_loss"},
     rates(lambda o: S.ReduceLROnPlateau(o, factor=0.5, patience=3, threshold=0.01), losses)),
    ("plateau", {"patience": 1, "factor": 0.1, "cooldown": 2, "min": 1e-4, "monitor": "score", "mode": "max"},
     rates(lambda o: S.ReduceLROnPlateau(o, mode="max", factor=0.1, patience=1, cooldown=2, min_lr=1e-4), losses)),
]

nan, inf = float("nan"), float("inf")
falling = [1 / (t + 1) for t in range(N)]


def plateau(values, lr=LR, **options):
    """Rates of ReduceLROnPlateau from `lr` on; the values, with a name for each that JSON does not know."""
    names = {"patience": "patience", "factor": "factor", "threshold": "threshold", "cooldown": "cooldown", "min_lr": "min", "eps": "eps", "mode": "mode"}
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule, out = S.ReduceLROnPlateau(opt, **options), []
    for value in values:
        out.append(opt.param_groups[0]["lr"])
        schedule.step(value)
    kept = [str(v) if v != v or v in (inf, -inf) else v for v in values]
    return {"lr": lr, "values": kept, "rates": out, "options": {names[k]: v for k, v in options.items()}}


plateaus = [
    plateau([1.0] * N, lr=0.001, patience=0, factor=0.1, min_lr=0.01),     # a rate below the least stays
    plateau([1.0] * N, lr=1e-6, patience=0, factor=0.1),                   # eps
    plateau([1.0] * N, lr=1e-6, patience=0, factor=0.1, eps=0.0),
    plateau([1.0] * N, patience=2, factor=0.5, min_lr=0.003),
    plateau([nan] * N, patience=3, factor=0.5),
    plateau([inf] * N, patience=3, factor=0.5),
    plateau([inf, inf, nan, 2.0, nan, 1.0, inf] + falling[7:], patience=1, factor=0.5),
    plateau([nan] + falling[1:], patience=0, factor=0.5),
    plateau(falling, patience=0, factor=0.5, threshold=0.1),
    plateau([-inf] * 4 + falling[4:], patience=1, factor=0.5, mode="max"),
    plateau([0.0] * N, patience=1, factor=0.5, cooldown=3),
    plateau([1.0, 0.9999, 0.99985, 0.9998] * 6, patience=1, factor=0.5),
]

with open("tests/golden/schedule.json", "w") as file:
    json.dump({"lr": LR, "losses": losses, "cases": [{"type": t, "options": o, "rates": r} for t, o, r in cases],
               "plateaus": plateaus}, file)
    file.write("\n")
