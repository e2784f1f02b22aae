"""How h5py packs: tests/golden/readers/filters.h5, where each data set holds what a contiguous one holds.
    python3 tests/golden/make_filters.py        (needs numpy, h5py)
tests/lua/readers_test.lua and stream_test.lua read the file without Python."""
import os, struct, zlib
import h5py, numpy as np

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "readers", "filters.h5")
rng = np.random.default_rng(19)
runs = (np.arange(40 * 25) // 13 % 251).astype("u1").reshape(40, 25)       # shrinks
noise = rng.integers(0, 256, (40, 25)).astype("u1")                        # does not
floats = np.sqrt(runs.astype("f4"))

def stored(data, size):
    """A zlib stream of many blocks that are stored as they are: longer than its content."""
    blocks = [data[i:i + size] for i in range(0, len(data), size)]
    out = b"".join(struct.pack("<BHH", b is blocks[-1], len(b), 65535 - len(b)) + b for b in blocks)
    return b"\x78\x01" + out + struct.pack(">I", zlib.adler32(data))

# The first chunk's bytes, zeros, also lie where it would be if the user block did not count.
with h5py.File(path.replace("filters", "user_block"), "w", userblock_size=512) as f:
    for name in "zeros", "x":
        f.create_dataset(name, data=np.r_[np.zeros((8, 64), "f4"), np.arange(512, dtype="f4").reshape(8, 64)],
                         chunks=(1, 64) if name == "x" else None)

with h5py.File(path, "w", libver=("earliest", "v108")) as f:
    f["runs"], f["noise"], f["floats"] = runs, noise, floats
    f.create_dataset("lzf_runs", data=runs, chunks=(7, 25), compression="lzf")
    f.create_dataset("lzf_noise", data=noise, chunks=(7, 25), compression="lzf")        # without the filter
    f.create_dataset("lzf_floats", data=floats, chunks=(9, 5), compression="lzf", shuffle=True, fletcher32=True)
    f.create_dataset("deflate_runs", shape=runs.shape, dtype="u1", chunks=(40, 25), compression="gzip")
    f["deflate_runs"].id.write_direct_chunk((0, 0), stored(runs.tobytes(), 25))
    f.create_dataset("fletcher_runs", shape=runs.shape, dtype="u1", chunks=(40, 25), fletcher32=True)
    f["fletcher_runs"].id.write_direct_chunk((0, 0), runs.tobytes(), filter_mask=1)
    f.create_dataset("scale_offset", data=runs.astype("i4"), chunks=(7, 25), scaleoffset=7)
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((7, 25))
    created.set_fletcher32()
    created.set_shuffle()
    space, name = h5py.h5s.create_simple(floats.shape), b"sum_first"         # 4 bytes that are no whole elements
    h5py.h5d.create(f.id, name, h5py.h5t.IEEE_F64LE, space, created).write(space, space, floats.astype("f8"))
    f["flags"], f["flags_as_numbers"] = runs > 40, (runs > 40).astype("i1")
    f["labels"], f["column"] = np.arange(40) % 3, (np.arange(40) % 3).reshape(40, 1)
