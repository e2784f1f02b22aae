"""Twenty steps of every optimizer in double precision, written to optim.json.

PyTorch's optimizers where it has the formula, a few lines of NumPy where it has not. The rate is halved after the tenth
step (some forms of momentum differ only then); an epoch begins every five steps.
Run from the root of the repository: python3 tests/golden/make_optim.py
"""
import json
import numpy as np
import torch

STEPS, HALVED_AFTER, EPOCH = 20, 10, 5
SIZES = [20, 5, 12]   # three parameters
rng = np.random.default_rng(7)
start = [rng.normal(0, 0.5, n).astype(np.float32).astype(float) for n in SIZES]
# Gradients of very different sizes, one parameter rarely moved
grads = [[(rng.normal(0, 1, n) * 10.0 ** rng.integers(-3, 2, n)).astype(np.float32).astype(float) for n in SIZES] for _ in range(STEPS)]
for t in range(STEPS):
    grads[t][0][3] = 0.0
    if t % 7:
        grads[t][0][4] = 0.0


def rate(lr, t):
    return lr if t < HALVED_AFTER else lr / 2


def with_torch(make, lr, clip_norm=0, clip_value=0, decay=0):
    params = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in start]
    opt = make(params)
    history = []
    for t in range(STEPS):
        for group in opt.param_groups:
            group["lr"] = rate(lr, t) * group.get("scale", 1) / (1 + decay * t)
        for p, g in zip(params, grads[t]):
            p.grad = torch.tensor(g, dtype=torch.float64)
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(params, clip_norm)
        if clip_value:
            torch.nn.utils.clip_grad_value_(params, clip_value)
        opt.step()
        history.append([p.detach().numpy().copy() for p in params])
    return history


def by_hand(update, lr, slots=2):
    """update(w, g, state, t, epoch, lr) changes w and the state's arrays in place; t and epoch count from 1."""
    params = [w.copy() for w in start]
    state = [[np.zeros_like(w) for _ in range(slots)] for w in start]
    history = []
    for t in range(STEPS):
        for w, g, s in zip(params, grads[t], state):
            update(w, g, s, t + 1, t // EPOCH + 1, rate(lr, t))
        history.append([w.copy() for w in params])
    return history


def adam_like(b1=0.9, b2=0.999, eps=1e-8, form="adam", wd=0.0):
    def update(w, g, s, t, epoch, lr):
        m, v = s
        if form == "adabelief":
            m[:] = b1 * m + (1 - b1) * g
            v[:] = b2 * v + (1 - b2) * (g - m) ** 2 + eps
        else:
            m[:] = b1 * m + (1 - b1) * g
            v[:] = b2 * v + (1 - b2) * g ** 2 + (eps if form == "eadam" else 0)
        count = epoch if form == "epoch" else t
        mhat, vhat = m / (1 - b1 ** count), v / (1 - b2 ** count)
        if form == "eadam":
            d = mhat / np.sqrt(vhat)
        elif form == "inside":
            d = mhat / np.sqrt(vhat + eps)
        else:
            d = mhat / (np.sqrt(vhat) + eps)
        if form == "lamb":
            d = d + wd * w
            lw, ld = np.linalg.norm(w), np.linalg.norm(d)
            d = d * (lw / ld if lw > 0 and ld > 0 else 1)
        w -= lr * d
    return update


def averaged(rho, nesterov=False, absolute=0.0):
    def update(w, g, s, t, epoch, lr):
        v, = s
        v[:] = rho * v + (1 - rho) * g
        w -= lr * ((1 - rho) * g + rho * v if nesterov else v) + absolute * w
    return update


def keras_momentum(mu, nesterov=False):
    def update(w, g, s, t, epoch, lr):
        v, = s
        v[:] = mu * v - lr * g
        w += mu * v - lr * g if nesterov else v
    return update


def decoupled_sgd(wd):
    def update(w, g, s, t, epoch, lr):
        w -= lr * g + lr * wd * w
    return update


def lion(b1, b2, wd):
    def update(w, g, s, t, epoch, lr):
        m = s[0]
        step = np.sign(b1 * m + (1 - b1) * g) + wd * w
        m[:] = b2 * m + (1 - b2) * g
        w -= lr * step
    return update


O = torch.optim
cases = []


def case(type_, config, history):
    keep = [0, 1, HALVED_AFTER, STEPS - 1]
    cases.append({"type": type_, "config": config,
                  "weights": {str(t + 1): [list(map(float, w)) for w in history[t]] for t in keep}})


def torch_case(type_, config, make, lr, **more):
    case(type_, {"lr": lr, **config}, with_torch(make, lr, **more))


torch_case("SGD", {}, lambda p: O.SGD(p, lr=1), 0.1)
torch_case("SGD", {"weight_decay": 0.1}, lambda p: O.SGD(p, lr=1, weight_decay=0.1), 0.1)
torch_case("SGD", {"decay": 0.05}, lambda p: O.SGD(p, lr=1), 0.1, decay=0.05)
torch_case("SGD", {"momentum": 0.9}, lambda p: O.SGD(p, lr=1, momentum=0.9), 0.02)
torch_case("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
           lambda p: O.SGD(p, lr=1, momentum=0.9, nesterov=True, weight_decay=0.01), 0.02)
torch_case("SGD", {"clip_norm": 2.0}, lambda p: O.SGD(p, lr=1), 0.1, clip_norm=2.0)
torch_case("SGD", {"clip_value": 0.3}, lambda p: O.SGD(p, lr=1), 0.1, clip_value=0.3)
torch_case("SGD", {"clip_norm": 1e6, "momentum": 0.5}, lambda p: O.SGD(p, lr=1, momentum=0.5), 0.1, clip_norm=1e6)
torch_case("SGD", {"momentum": 0.9, "groups": [{"layers": ["second"], "lr": 0.004, "weight_decay": 0.5},
                                               {"match": "thi", "lr_scale": 2.0}]},
           lambda p: O.SGD([{"params": [p[0]]}, {"params": [p[1]], "scale": 0.1, "weight_decay": 0.5},
                            {"params": [p[2]], "scale": 2.0}], lr=1, momentum=0.9), 0.04)
case("SGD", {"lr": 0.1, "momentum": 0.8, "momentum_form": "averaged"}, by_hand(averaged(0.8), 0.1, 1))
case("SGD", {"lr": 0.1, "momentum": 0.8, "momentum_form": "averaged", "nesterov": True}, by_hand(averaged(0.8, True), 0.1, 1))
case("SGD", {"lr": 0.1, "momentum": 0.8, "momentum_form": "averaged", "weight_decay": 0.03, "decay_form": "absolute"},
     by_hand(averaged(0.8, absolute=0.03), 0.1, 1))
case("SGD", {"lr": 0.05, "momentum": 0.8, "momentum_form": "keras"}, by_hand(keras_momentum(0.8), 0.05, 1))
case("SGD", {"lr": 0.05, "momentum": 0.8, "momentum_form": "keras", "nesterov": True}, by_hand(keras_momentum(0.8, True), 0.05, 1))
case("SGD", {"lr": 0.1, "weight_decay": 0.5, "decay_form": "decoupled"}, by_hand(decoupled_sgd(0.5), 0.1, 1))
torch_case("Adam", {}, lambda p: O.Adam(p), 0.01)
torch_case("Adam", {"betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1},
           lambda p: O.Adam(p, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1), 0.02)
torch_case("Adam", {"clip_norm": 0.5, "decay": 0.1}, lambda p: O.Adam(p), 0.01, clip_norm=0.5, decay=0.1)
case("Adam", {"lr": 0.01, "correction": "epoch"}, by_hand(adam_like(form="epoch"), 0.01))
case("Adam", {"lr": 0.01, "eps": 1e-2, "eps_inside_root": True}, by_hand(adam_like(form="inside", eps=1e-2), 0.01))
torch_case("AdamW", {"weight_decay": 0.1}, lambda p: O.AdamW(p, weight_decay=0.1), 0.02)
torch_case("RMSprop", {"beta": 0.9}, lambda p: O.RMSprop(p, alpha=0.9), 0.01)
torch_case("RMSprop", {"beta": 0.99, "momentum": 0.9, "eps": 1e-6, "weight_decay": 0.05},
           lambda p: O.RMSprop(p, alpha=0.99, momentum=0.9, eps=1e-6, weight_decay=0.05), 0.002)
torch_case("RMSprop", {"beta": 0.9, "centered": True, "momentum": 0.5, "eps": 1e-3},
           lambda p: O.RMSprop(p, alpha=0.9, centered=True, momentum=0.5, eps=1e-3), 0.01)
torch_case("AdaGrad", {}, lambda p: O.Adagrad(p), 0.05)
torch_case("AdaGrad", {"eps": 1e-6, "weight_decay": 0.1}, lambda p: O.Adagrad(p, eps=1e-6, weight_decay=0.1), 0.05)
torch_case("AdaDelta", {}, lambda p: O.Adadelta(p), 1.0)
torch_case("AdaDelta", {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}, lambda p: O.Adadelta(p, rho=0.8, eps=1e-3, weight_decay=0.1), 0.5)
torch_case("AdaMax", {"weight_decay": 0.1}, lambda p: O.Adamax(p, weight_decay=0.1), 0.01)
torch_case("Nadam", {}, lambda p: O.NAdam(p), 0.01)
torch_case("Nadam", {"momentum_decay": 0.5, "weight_decay": 0.1}, lambda p: O.NAdam(p, momentum_decay=0.5, weight_decay=0.1), 0.01)
case("EAdam", {"lr": 0.01, "eps": 1e-4}, by_hand(adam_like(form="eadam", eps=1e-4), 0.01))
case("AdaBelief", {"lr": 0.01, "eps": 1e-8}, by_hand(adam_like(form="adabelief", eps=1e-8), 0.01))
case("LAMB", {"lr": 0.01, "weight_decay": 0.1}, by_hand(adam_like(form="lamb", eps=1e-6, wd=0.1), 0.01))
case("Lion", {"lr": 0.01, "betas": [0.8, 0.95], "weight_decay": 0.1}, by_hand(lion(0.8, 0.95, 0.1), 0.01))


def short(value):
    """Nine digits: enough to tell any two float32 apart."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    return [short(v) for v in value] if isinstance(value, list) else value


with open("tests/golden/optim.json", "w") as file:
    json.dump(short({"steps": STEPS, "halved_after": HALVED_AFTER, "epoch": EPOCH, "sizes": SIZES, "layers": ["first", "second", "third"],
               "start": [list(w) for w in start], "grads": [[list(g) for g in step] for step in grads], "cases": cases}), file)
    file.write("\n")
