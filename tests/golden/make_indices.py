"""How HDF5 finds chunks: tests/golden/readers/indices_old.h5 and indices_new.h5, whose data sets all hold what "plain"
holds, but for "deep"; and cache_image.h5, in which structures lie in an image of libhdf5's cache.
    python3 tests/golden/make_indices.py        (needs numpy, h5py)
tests/lua/stream_test.lua and hdf5_circles_test.lua read the files without Python."""
import ctypes, glob, os
import h5py, numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "readers")
plain = np.arange(40 * 6, dtype="f4").reshape(40, 6)

def fill(f, ways):
    f["plain"] = plain
    for name, how in ways.items(): f.create_dataset(name, data=plain, **how)

ways = {"fixed": dict(chunks=(7, 2)), "packed": dict(chunks=(7, 6), compression="gzip"), "one": dict(chunks=(40, 6)),
        "growable": dict(chunks=(3, 4), maxshape=(None, 6)), "growable_twice": dict(chunks=(3, 4), maxshape=(None, None))}

with h5py.File(os.path.join(folder, "indices_new.h5"), "w", libver=("v110", "v110")) as f: fill(f, ways)

with h5py.File(os.path.join(folder, "indices_old.h5"), "w", libver=("earliest", "v108")) as f:
    fill(f, ways)
    shrunk = f.create_dataset("shrunk", (60, 6), "f4", chunks=(3, 4), maxshape=(None, None))
    shrunk[:] = 1
    shrunk.resize((40, 6))
    shrunk[:] = plain
    f.create_dataset("boxes", data=plain.reshape(40, 3, 2), chunks=(7, 2, 1))                  # of another rank
    f.create_dataset("deep", data=(np.arange(1200) % 256).astype("u1")[:, None], chunks=(1, 1))   # of several levels

class ImageConfig(ctypes.Structure):      # H5AC_cache_image_config_t
    _fields_ = [("version", ctypes.c_int), ("generate_image", ctypes.c_bool), ("save_resize_status", ctypes.c_bool),
                ("entry_ageout", ctypes.c_int)]

library, = glob.glob(os.path.join(os.path.dirname(h5py.__path__[0]), "h5py.libs", "libhdf5-*"))     # of its wheel
access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
config = ImageConfig(1, True, False, -1)
assert ctypes.CDLL(library).H5Pset_mdc_image_config(ctypes.c_int64(access.id), ctypes.byref(config)) == 0
with h5py.File(h5py.h5f.create(os.path.join(folder, "cache_image.h5").encode(), h5py.h5f.ACC_TRUNC, fapl=access)) as f:
    fill(f, ways)
