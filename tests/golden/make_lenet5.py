"""LeNet-5 trained by Keras and by PyTorch, for the tests of perilune import. Writes lenet5_keras.h5,
lenet5_torch.safetensors (half precision, its layers in classifier and features as torchvision names them) and
lenet5.json: 16 images of MNIST's test set and the outputs of both networks. Each library has a process of its own.
usage: PERILUNE_DATA=... python make_lenet5.py   (keras, tensorflow, torch, safetensors)"""
import gzip
import json
import os
import subprocess
import sys

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def idx(name, offset):
    path = os.path.join(os.environ["PERILUNE_DATA"], "mnist", name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    return np.frombuffer(opened.read(), np.uint8, offset=offset)


def images(name):
    return idx(name, 16).reshape(-1, 28, 28, 1)


pixels = images("t10k-images-idx3-ubyte")[:16]
test = pixels.astype("float32") / 255


def training_set():
    x = images("train-images-idx3-ubyte").astype("float32") / 255
    return x, idx("train-labels-idx1-ubyte", 8).astype("int64")


def by_keras():
    import keras
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="tanh", name="c1"), layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh", name="c3"), layers.AveragePooling2D(2), layers.Flatten(),
        layers.Dense(120, activation="tanh", name="c5"), layers.Dense(84, activation="tanh", name="f6"),
        layers.Dense(10, activation="softmax", name="output")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = training_set()
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    model.save(os.path.join(here, "lenet5_keras.h5"), include_optimizer=False)
    return model.predict(test, verbose=0).tolist()


def by_torch():
    import safetensors.torch
    import torch
    nn = torch.nn

    class LeNet5(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, bias=False),
                nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
            self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                                            nn.Linear(84, 10))

        def forward(self, image):
            return self.classifier(self.features(image))

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = LeNet5()
    step = torch.optim.Adam(model.parameters())
    x, y = training_set()
    x, y = torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y)
    order = torch.randperm(len(x))
    for at in range(0, len(x), 64):
        rows = order[at:at + 64]
        step.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        step.step()
    model.eval()
    state = {name: t.half() if t.is_floating_point() else t for name, t in model.state_dict().items()}
    safetensors.torch.save_file(state, os.path.join(here, "lenet5_torch.safetensors"))
    model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    with torch.no_grad():
        return model(torch.from_numpy(test).permute(0, 3, 1, 2)).tolist()


if len(sys.argv) > 1:
    outputs = {"keras": by_keras, "torch": by_torch}[sys.argv[1]]()
    print(json.dumps(outputs))
else:
    expected = {"images": [image.tobytes().hex() for image in pixels]}
    for name in ("keras", "torch"):
        said = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True).stdout
        expected[name] = json.loads(said.splitlines()[-1])
    with open(os.path.join(here, "lenet5.json"), "w") as out:
        json.dump(expected, out)
