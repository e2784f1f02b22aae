"""Files written by the libraries that people use, and what is in them: tests/golden/readers/* and expected.json.
    python3 tests/golden/make_readers.py        (needs numpy, pandas, Pillow, h5py)
Values are listed as floats, row by row. tests/lua/readers_test.lua reads the files without Python."""
import gzip, io, json, os, struct
import h5py, numpy as np, pandas as pd
from PIL import Image

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "readers")
os.makedirs(folder, exist_ok=True)
path = lambda name: os.path.join(folder, name)
rng = np.random.default_rng(7)
expected = {"npy": {}, "npz": {}, "csv": {}, "idx": {}, "h5": {}, "image": {}}

def entry(a, kind=None):
    flat = np.ascontiguousarray(a).ravel()
    return {"shape": list(a.shape), "values": [float(v) for v in flat], "type": kind}

def kind_of(dtype):
    if dtype.kind == "f": return "f32"
    return "u8" if dtype == np.uint8 else "i32"

# ---- NPY: every numeric type, both byte orders, both orders of elements ----
types = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
for t in types:
    for order in ["<", ">"] if np.dtype(t).itemsize > 1 else ["|"]:
        for fortran in [False, True]:
            d = np.dtype(order + t if order != "|" else t)
            if d.kind == "b": a = rng.integers(0, 2, (3, 2, 4)).astype(d)
            elif d.kind == "f": a = rng.normal(size=(3, 2, 4)).astype(d)
            else: a = rng.integers(max(np.iinfo(d).min, -2**31), min(np.iinfo(d).max, 2**31 - 1), (3, 2, 4), endpoint=True).astype(d)
            if fortran: a = np.asfortranarray(a)
            name = f"{t.replace('?', 'bool')}_{ {'<': 'le', '>': 'be', '|': 'one'}[order]}_{'f' if fortran else 'c'}.npy"
            np.save(path(name), a)
            expected["npy"][name] = entry(a.astype(np.float32) if d.kind == "f" else a, kind_of(d))
wide = np.array([[1, 2**40], [-2**62, 5]], dtype="<i8")
np.save(path("wide_i8.npy"), wide)
expected["npy"]["wide_i8.npy"] = entry(wide.astype(np.float32), "f32")
np.save(path("u4_large.npy"), np.array([4000000000, 3], dtype="<u4"))
expected["npy"]["u4_large.npy"] = entry(np.array([4000000000, 3], dtype=np.float32), "f32")
np.save(path("scalar.npy"), np.float64(2.5))
expected["npy"]["scalar.npy"] = entry(np.float32(2.5), "f32")
np.save(path("empty.npy"), np.zeros((0, 3), "f4"))
expected["npy"]["empty.npy"] = entry(np.zeros((0, 3)), "f32")
np.save(path("special_f2.npy"), np.array([6.1e-5, 5.96e-8, 65504, -0.0, np.inf, -np.inf], dtype="f2"))
expected["npy"]["special_f2.npy"] = entry(np.array([6.1e-5, 5.96e-8, 65504, -0.0, 1e300, -1e300], dtype="f8"), "f32")
expected["npy"]["special_f2.npy"]["values"][0] = float(np.float16(6.1e-5))
expected["npy"]["special_f2.npy"]["values"][1] = float(np.float16(5.96e-8))
with open(path("version2.npy"), "wb") as f: np.lib.format.write_array(f, np.arange(6, dtype="<i2").reshape(2, 3), version=(2, 0))
expected["npy"]["version2.npy"] = entry(np.arange(6).reshape(2, 3), "i32")

# ---- NPZ: stored, deflated ----
images, labels = rng.integers(0, 256, (12, 4, 3), dtype=np.uint8), np.arange(12, dtype="<i8") % 3
points = rng.normal(size=(12, 2))
np.savez(path("stored.npz"), images=images, labels=labels, points=points)
np.savez_compressed(path("deflated.npz"), images=images, labels=labels, points=np.asfortranarray(points))
for name in ["stored.npz", "deflated.npz"]:
    expected["npz"][name] = {"images": entry(images, "u8"), "labels": entry(labels, "i32"),
                             "points": entry(points.astype(np.float32), "f32")}

# ---- CSV ----
frame = pd.DataFrame({"width": [1.5, 2.25, -3e-7, 4e10], "name": ["plain", 'quo"te', "com,ma", "line\nbreak"],
                      "count": [1, 2, 3, 4], "kind": ["b", "a", "b", "ü"]})
frame.to_csv(path("table.csv"), index=False)
frame.to_csv(path("table_crlf.csv"), index=False, lineterminator="\r\n")
frame.to_csv(path("table.tsv"), index=False, sep="\t")
frame.to_csv(path("table.csv.gz"), index=False, compression={"method": "gzip", "mtime": 0})
with open(path("table_bom.csv"), "w", encoding="utf-8-sig", newline="") as f: frame.to_csv(f, index=False)
names = sorted(frame["name"], key=lambda s: s.encode())
x = np.array([[w, *[float(n == m) for m in names], c] for w, n, c in zip(frame["width"], frame["name"], frame["count"])])
kinds = sorted(set(frame["kind"]), key=lambda s: s.encode())
expected["csv"] = {"x": entry(x.astype(np.float32), "f32"), "labels": kinds, "y": [kinds.index(k) for k in frame["kind"]],
                   "files": ["table.csv", "table_crlf.csv", "table.tsv", "table.csv.gz", "table_bom.csv"]}

# ---- IDX: six types, one to six axes ----
for code, d in [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]:
    for shape in [(6,), (2, 3), (1, 2, 1, 3, 1, 2)]:
        a = (rng.normal(size=shape) * 50).astype(d)
        name = f"type{code:02x}_{len(shape)}.idx"
        with open(path(name), "wb") as f:
            f.write(struct.pack(">BBBB", 0, 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + a.tobytes())
        expected["idx"][name] = entry(a.astype(np.float32) if a.dtype.kind == "f" else a, kind_of(a.dtype.newbyteorder("=")))

# ---- HDF5 whose lengths have 4 bytes instead of 8 ----
sizes = h5py.h5p.create(h5py.h5p.FILE_CREATE)
sizes.set_sizes(8, 4)
earliest = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
earliest.set_libver_bounds(h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_LATEST)
with h5py.File(h5py.h5f.create(path("lengths4.h5").encode(), h5py.h5f.ACC_TRUNC, sizes, earliest)) as f:
    f["x"] = np.arange(12, dtype="f4").reshape(4, 3)

# ---- HDF5: numeric types, layouts, compression ----
with h5py.File(path("sets.h5"), "w", libver="earliest") as f:
    for t in ["u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8", "<f2", "<f4", ">f8"]:
        a = (rng.random((6, 3, 2)) * 100).astype(t)
        name = "type_" + t.replace("<", "le_").replace(">", "be_")
        f[name] = a
        expected["h5"][name] = entry(a.astype(np.float32) if a.dtype.kind == "f" else a)
    a = (rng.random((40, 5)) * 1000).astype("f4")
    for name, how in {"chunked": dict(chunks=(7, 2)), "gzip": dict(chunks=(16, 5), compression="gzip"),
                      "shuffle": dict(chunks=(9, 5), compression="gzip", shuffle=True, fletcher32=True),
                      "growable": dict(chunks=(8, 5), maxshape=(None, 5))}.items():
        f.create_dataset(name, data=a, **how)
        expected["h5"][name] = entry(a)
    f["group/labels"] = np.arange(40) % 4
    expected["h5"]["group/labels"] = entry(np.arange(40) % 4)

# ---- images ----
def scene(h, w, mode):
    y, x = np.mgrid[0:h, 0:w]
    rgb = np.stack([x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), (x * y * 7) % 256], -1).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)

alpha = scene(9, 7, "RGBA")
alpha.putalpha(Image.fromarray((np.arange(63).reshape(9, 7) * 4).astype(np.uint8)))
pictures = {"rgb.png": scene(9, 7, "RGB"), "gray.png": scene(9, 7, "L"), "bits.png": scene(9, 7, "1"),
            "palette.png": scene(9, 7, "RGB").quantize(16), "alpha.png": alpha,
            "rgb.jpg": scene(20, 17, "RGB"), "gray.jpg": scene(20, 17, "L")}
for name, picture in pictures.items():
    picture.save(path(name), **({"quality": 90} if name.endswith("jpg") else {}))
scene(20, 17, "RGB").save(path("progressive.jpg"), progressive=True, quality=80, subsampling=0)
deep = (np.arange(63, dtype=np.uint16).reshape(9, 7) * 1040)
Image.fromarray(deep).save(path("deep.png"))
for name in list(pictures) + ["progressive.jpg"]:
    p = Image.open(path(name))
    if name == "alpha.png":
        a = np.asarray(p).astype(int)
        mixed = (a[..., :3] * a[..., 3:] + 255 * (255 - a[..., 3:]) + 127) // 255
        p = Image.fromarray(mixed.astype(np.uint8))
    expected["image"][name] = {"gray": entry(np.asarray(p.convert("L"))[..., None]), "rgb": entry(np.asarray(p.convert("RGB")))}
eight = ((deep.astype(int) * 255 + 32895) >> 16).astype(np.uint8)
expected["image"]["deep.png"] = {"gray": entry(eight[..., None]), "rgb": entry(np.repeat(eight[..., None], 3, -1))}

with open(path("expected.json"), "w") as f: json.dump(expected, f, separators=(",", ":"), allow_nan=False)
print(len(os.listdir(folder)), "files")
