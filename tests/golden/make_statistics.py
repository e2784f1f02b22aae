# Writes statistics.json: values of SciPy and NumPy that tests/lua/samples_test.lua compares with.
# usage: python3 tests/golden/make_statistics.py
import json
import os
import numpy as np
from scipy import stats

golden = {"scipy": __import__("scipy").__version__}
golden["t_quantile"] = [[p, df, float(stats.t.ppf(p, df))] for p in (0.6, 0.95, 0.975, 0.995) for df in (1, 2, 3, 4, 9, 30, 200)]
golden["t_cdf"] = [[t, df, float(stats.t.cdf(t, df))] for t in (-3.0, -0.5, 0.0, 0.1, 2.0, 12.7) for df in (1, 2, 4, 29)]
golden["mcnemar"] = [[b, c, float(stats.binomtest(b, b + c, 0.5).pvalue)]
                     for b, c in ((0, 1), (1, 9), (5, 5), (3, 12), (27, 14), (40, 41), (120, 80), (0, 30), (700, 600))]

rng = np.random.default_rng(17)
golden["prediction"] = []
for n in (2, 3, 5, 10):
    x = rng.normal(0.02, 0.002, n)
    half = stats.t.ppf(0.975, n - 1) * x.std(ddof=1) * np.sqrt(1 + 1 / n)
    golden["prediction"].append({"x": x.tolist(), "mean": float(x.mean()), "std": float(x.std(ddof=1)),
                                 "low": float(x.mean() - half), "high": float(x.mean() + half)})

# The percentile bootstrap of a difference of means, with so many draws that its own noise is small.
golden["bootstrap"] = []
for n, m, shift in ((5, 5, 0.0), (5, 5, 0.01), (3, 8, 0.002), (20, 20, 0.001)):
    a, b = rng.normal(0.02 + shift, 0.002, n), rng.normal(0.02, 0.001, m)
    result = stats.bootstrap((a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), method="percentile",
                             n_resamples=200000, vectorized=True, random_state=np.random.default_rng(5))
    golden["bootstrap"].append({"a": a.tolist(), "b": b.tolist(), "difference": float(a.mean() - b.mean()),
                                "low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)})

# Welch's t-test, from a generator of its own so that the other values stay.
def welch():
    draws = np.random.default_rng(23)
    rows = []
    for n, m, shift in ((2, 2, 1.0), (3, 3, 2.0), (3, 8, 0.5), (5, 5, 0.0), (5, 5, 3.0), (40, 7, 0.4)):
        a, b = draws.normal(shift, 1, n), draws.normal(0, 3 if m > 5 else 1, m)
        r = stats.ttest_ind(a, b, equal_var=False)
        rows.append({"a": a.tolist(), "b": b.tolist(), "p": float(r.pvalue), "df": float(r.df)})
    return rows

golden["welch"] = welch()

# Successive halving: a written-out example, and its survivors by sorting.
golden["halving"] = []
for n, epochs in ((4, 8), (12, 10), (40, 30), (7, 1), (16, 3)):
    losses = rng.permutation(n).astype(float).tolist()
    rungs, left, alive, k = [], n, list(range(n)), 0
    while 2 ** k < n and epochs // 2 ** (k + 1) >= 1:
        k += 1
    for i in range(1, k + 1):
        left = -(-left // 2)
        alive = sorted(sorted(alive, key=lambda j: losses[j])[:left])
        rungs.append([max(1, epochs // 2 ** (k - i + 1)), left])
    golden["halving"].append({"count": n, "epochs": epochs, "losses": losses, "rungs": rungs, "survivors": [j + 1 for j in alive]})

with open(os.path.join(os.path.dirname(__file__), "statistics.json"), "w") as f:
    json.dump(golden, f, indent=1)
    f.write("\n")
