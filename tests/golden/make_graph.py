"""Two small graphs as PyTorch computes them in double precision, printed as C for tests/c/graph_test.c: a Linear(4, 4) and a tanh called
twice (shared weights), and a value used three times, concat(a a b, x, a) with a = Linear(x), b = tanh(x).

Run from the root of the repository: python3 tests/golden/make_graph.py
"""
import torch

torch.set_default_dtype(torch.float64)


def numbers(n, step, modulus):
    """The same in the test: exact in single precision."""
    return torch.tensor([((i * step) % modulus - modulus // 2) / 8 for i in range(n)])


def show(name, *tensors):
    values = [f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}" for t in tensors for v in t.flatten().tolist()]
    lines = [", ".join(values[i:i + 7]) for i in range(0, len(values), 7)]
    print(f"static const float {name}[] = {{\n  " + ",\n  ".join(lines) + "\n};")


def graph(name, f, outputs):
    w, b = numbers(16, 7, 11).reshape(4, 4).requires_grad_(), numbers(4, 3, 5).requires_grad_()
    x = numbers(12, 5, 13).reshape(3, 4).requires_grad_()
    y = f(x, lambda v: v @ w + b)
    y.backward(numbers(3 * outputs, 3, 7).reshape(3, outputs))
    show(name, y.detach(), x.grad, w.grad, b.grad)


def thrice(x, linear):
    a, b = linear(x), torch.tanh(x)
    return torch.cat([a * a * b, x, a], 1)


graph("torch_twice", lambda x, linear: torch.tanh(linear(torch.tanh(linear(x)))), 4)
graph("torch_thrice", thrice, 12)
