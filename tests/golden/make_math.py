"""Elementary functions in many digits, over all of float32's range and at hard places, written to math.json.

Run from the root of the repository: python3 tests/golden/make_math.py   (needs mpmath)
"""
import json
import math
import random
import struct
from mpmath import mp, mpf
import mpmath

mp.prec = 1400
random.seed(7)


def any_float32():
    while True:
        x = struct.unpack("f", struct.pack("I", random.getrandbits(32)))[0]
        if math.isfinite(x):
            return x


def any_double():
    while True:
        x = struct.unpack("d", struct.pack("Q", random.getrandbits(64)))[0]
        if math.isfinite(x):
            return x


def many(make, n=60):
    return [make() for _ in range(n)]


angles = many(any_float32) + many(any_double) + many(lambda: random.uniform(-10, 10)) + many(lambda: random.uniform(-2e9, 2e9)) \
    + [k * math.pi / 2 for k in (1, 2, 3, 12345, 1018592, 1018593, 2 ** 25 + 1)] + [1e9, -1e9, 1.6e6, 1e22, 2.0 ** 1023, 1.7976931348623157e308,
       6381956970095103 * 2.0 ** 797]   # the double nearest to a multiple of pi/2
cases = {
    "sin": (angles, mpmath.sin), "cos": (angles, mpmath.cos),
    "exp": (many(lambda: random.uniform(-708, 709)) + many(lambda: random.uniform(-1, 1)), mpmath.exp),
    "log": (many(lambda: abs(any_double())) + many(lambda: random.uniform(0.5, 2)), mpmath.log),
    "tanh": (many(lambda: random.uniform(-20, 20)) + many(lambda: random.uniform(-1, 1) * 10 ** random.uniform(-300, 0)), mpmath.tanh),
}
out = {name: [[x, float(f(mpf(x)))] for x in xs] for name, (xs, f) in cases.items()}

pairs = [(random.uniform(0.001, 30), float(random.randint(-200, 200))) for _ in range(60)]
pairs += [(10 ** random.uniform(-30, 30), random.uniform(-10, 10)) for _ in range(60)]
pairs += [(random.choice((-1, 1)) * random.uniform(0.9, 1.1), float(random.randint(1025, 6000))) for _ in range(60)]
pairs += [(-2.0, 1023.0), (-0.5, 1025.0), (-1.0, 1e6), (-1.0, 1e6 + 1), (0.1, -307.0), (2.0, -1022.0), (-2.0, -1021.0), (-1.0, 2.0 ** 53)]
powers = [[x, y, mpmath.power(mpf(x), mpf(int(y) if y == int(y) else y))] for x, y in pairs]
out["pow"] = [[x, y, float(p)] for x, y, p in powers if 2.3e-308 < abs(p) < 1.7e308]

with open("tests/golden/math.json", "w") as file:
    json.dump(out, file)
    file.write("\n")
