"""scikit-learn's numbers for classifiers and regressions, written to metrics.json.

Run from the root of the repository: python3 tests/golden/make_metrics.py   (needs scikit-learn)
"""
import json
import warnings
import numpy as np
from sklearn import metrics as m

warnings.filterwarnings("ignore")
rng = np.random.default_rng(1)


def report(classes, actual, predicted):
    # rows: the actual classes; the labels of averages are those that occur, scikit-learn's default
    out = {"confusion": m.confusion_matrix(actual, predicted, labels=range(classes)).tolist()}
    for average in ("macro", "weighted"):
        p, r, f, _ = m.precision_recall_fscore_support(actual, predicted, average=average, zero_division=0)
        out[average] = {"precision": p, "recall": r, "f1": f}
    out["accuracy"] = m.accuracy_score(actual, predicted)
    return out


def noisy(labels, classes, share):
    return np.where(rng.random(len(labels)) < share, rng.integers(0, classes, len(labels)), labels)


few = rng.integers(0, 4, 60)
actual = rng.integers(0, 5, 200)
classes = [
    report(5, actual, noisy(actual, 5, 0.4)),
    report(7, few, noisy(few, 4, 0.5)),                     # three classes nowhere
    report(6, few, np.where(noisy(few, 4, 0.3) == 2, 5, few)),   # one only predicted, one nowhere
    report(3, [0, 0, 0], [0, 0, 0]),
    report(3, [0, 0, 1], [2, 2, 2]),
]


def regression(outputs, targets):
    outputs, targets = np.float32(outputs).reshape(len(outputs), -1), np.float32(targets).reshape(len(targets), -1)
    o, t = outputs.astype(np.float64), targets.astype(np.float64)
    return {"outputs": outputs.tolist(), "targets": targets.tolist(), "mae": m.mean_absolute_error(t, o),
            "rmse": m.root_mean_squared_error(t.ravel(), o.ravel()), "r2": m.r2_score(t, o, multioutput="variance_weighted")}


t = rng.normal(size=50)
wide = rng.normal(size=(70, 3)) * [1, 10, 0.1] + [5, 0, -1]
values = [
    regression(t + 0.1 * rng.normal(size=50), t),
    regression(wide + rng.normal(size=(70, 3)), wide),
    regression(t * 0, t),
    regression(-2 * t, t),                                  # worse than the mean: below 0
    regression([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]),           # targets that do not vary, met
    regression([0.1, 0.2, 0.1], [0.1, 0.1, 0.1]),           # and not met
    regression([1e6 + 1, 1e6 + 2, 1e6 + 4], [1e6, 1e6 + 2, 1e6 + 4]),
]

with open("tests/golden/metrics.json", "w") as file:
    json.dump({"classes": classes, "values": values}, file)
    file.write("\n")
