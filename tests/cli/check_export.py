"""What the reference libraries make of exported files. usage: check_export.py FORMAT < jobs
A job is a line "FILE X Y N SIZES...", separated by tabs: X and Y are files of little-endian floats, N inputs of SIZES and
the outputs that Perilune made of them. Prints a line for each: the largest difference, divided by the largest output; or
why there is none. "probe FORMAT": exit status 0 where the libraries are there."""
import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def run_onnx(path, x):
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"input": x})
    names = [output.name for output in session.get_outputs()]
    assert names == ["output"] + ["output_%d" % k for k in range(2, len(names) + 1)], names
    return in_a_row(outputs)


def in_a_row(outputs):
    """Several outputs as rows, one after the other."""
    return outputs[0] if len(outputs) == 1 else np.concatenate([y.reshape(len(y), -1) for y in outputs], axis=1)


def run_keras(path, x):
    model = keras.models.load_model(path, compile=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The structure of")
        model(x[:1])
    outputs = model.predict(x, batch_size=100, verbose=0)
    return in_a_row(outputs if isinstance(outputs, list) else [outputs])


def lenet(torch):
    """The network "lenet" of support_export.lua as PyTorch's."""
    from collections import OrderedDict
    nn = torch.nn
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 6, 5), a=nn.Tanh(), b=nn.AvgPool2d(2), conv2=nn.Conv2d(6, 16, 5), c=nn.Tanh(),
        d=nn.MaxPool2d(2), e=nn.Flatten(), norm=nn.BatchNorm1d(256), fc1=nn.Linear(256, 84), f=nn.ReLU(),
        fc2=nn.Linear(84, 10), g=nn.LogSoftmax(1))).eval()


def run_safetensors(path, x):
    model = lenet(torch)
    model.load_state_dict(safetensors.torch.load_file(path), strict=False)
    missing = set(model.state_dict()) - set(safetensors.torch.load_file(path))
    assert missing == {"norm.num_batches_tracked"}, missing
    with torch.no_grad():
        return model(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()


kind = sys.argv[2] if sys.argv[1] == "probe" else sys.argv[1]
if kind == "onnx":
    import onnx
    import onnxruntime
elif kind == "safetensors":
    import safetensors.torch
    import torch
elif kind == "keras":
    import keras
import numpy as np

if sys.argv[1] != "probe":
    for line in sys.stdin:
        path, x, y, *shape = line.rstrip("\n").split("\t")
        try:
            x = np.fromfile(x, "<f4").reshape([int(s) for s in shape])
            found = {"onnx": run_onnx, "keras": run_keras, "safetensors": run_safetensors}[kind](path, x)
            want = np.fromfile(y, "<f4").reshape(found.shape)
            print(np.abs(found - want).max() / max(np.abs(want).max(), 1e-30), flush=True)
        except Exception as problem:  # what is wrong with one file is said of that one
            print(" ".join(str(problem).split()), flush=True)
