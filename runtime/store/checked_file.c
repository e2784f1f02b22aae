#include <string.h>
#include "store/checked_file.h"
#include "perilune/alloc.h"

typedef struct driver_info { pl_checked_file *file; } driver_info;

bool pl_checked_file_get(const pl_checked_file *f, uint64_t at, void *out, size_t n) {
  if (at > f->size || n > f->size - at) return false;
  if (f->source != NULL) return pl_source_read_at(f->source, at, out, n, NULL) == PL_OK;
  memcpy(out, f->memory + at, n);
  return true;
}

static H5FD_t *checked_open(const char *name, unsigned flags, hid_t access, haddr_t most) {
  const driver_info *info = hdf5.H5Pget_driver_info(access);
  (void)name; (void)flags; (void)most;
  return info ? &info->file->driver : NULL;
}

static herr_t checked_close(H5FD_t *file) {
  (void)file;
  return 0;
}

static herr_t checked_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = 0;
  return 0;
}

static haddr_t checked_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const pl_checked_file *)file)->end;
}

static herr_t checked_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
  (void)type;
  ((pl_checked_file *)file)->end = end;
  return 0;
}

static haddr_t checked_get_eof(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const pl_checked_file *)file)->size;
}

/* Behind the file's end are zeros: libhdf5 may ask for more than an object has. It gathers no metadata for a driver
   that does not offer it: what it reads begins where a heap or a node does. */
static herr_t checked_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n, void *out) {
  pl_checked_file *f = (pl_checked_file *)file;
  (void)transfer;
  if (type == H5FD_MEM_DRAW && f->locating) {
    f->located = at;
    f->located_size = n;
    return 0;
  }
  size_t there = at >= f->size ? 0 : n < f->size - at ? n : (size_t)(f->size - at);
  memset((char *)out + there, 0, n - there);
  if (f->error.status || (there > 0 && !pl_checked_file_get(f, at, out, there))) return -1;
  if (there >= 4 && type != H5FD_MEM_DRAW && memcmp(out, "MDCI", 4) == 0) {
    pl_error_set(&f->error, PL_ERROR_CORRUPT, "%s holds an image of libhdf5's cache, whose structures could not be "
                 "checked; h5repack writes a file without one", f->path);
    return -1;
  }
  return type == H5FD_MEM_DRAW || (pl_local_heap_check(f, at, out, there) && pl_tree_node_check(f, at, out, there))
    ? 0 : -1;
}

static herr_t checked_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n, const void *data) {
  (void)file; (void)type; (void)transfer; (void)at; (void)n; (void)data;
  return -1;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
  .version = H5FD_CLASS_VERSION,
  .value = 512,
#endif
  .name = "perilune_checked", .maxaddr = INT64_MAX, .fc_degree = H5F_CLOSE_STRONG, .fapl_size = sizeof(driver_info),
  .open = checked_open, .close = checked_close, .query = checked_query, .get_eoa = checked_get_eoa,
  .set_eoa = checked_set_eoa, .get_eof = checked_get_eof, .read = checked_read, .write = checked_write,
  .fl_map = H5FD_FLMAP_SINGLE,
};

/* The signature lies at 0, 512, 1024, 2048, ... Without one libhdf5 opens nothing. HDF5 File Format Specification 3.0,
   II.A: the superblock says how many bytes addresses (O) and lengths (L) have; from version 3 on it has flags, too, of
   which libhdf5 asks only its own drivers' files: 1, open for writing, 4, and for readers meanwhile. */
static bool find_superblock(pl_checked_file *f, pl_error *err) {
  static const uint8_t signature[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
  uint8_t block[15];
  for (; pl_checked_file_get(f, f->base, block, sizeof block); f->base = f->base ? 2 * f->base : 512) {
    if (memcmp(block, signature, sizeof signature) != 0) continue;
    const uint8_t *sizes = block + (block[8] < 2 ? 13 : 9);
    f->address = sizes[0];
    f->length = sizes[1];
    for (int i = 0; i < 2; i++) {
      if (sizes[i] == 2 || sizes[i] == 4 || sizes[i] == 8) continue;
      pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged, or no file for this program: its addresses have %u bytes and "
                   "its lengths %u, where 2, 4 or 8 are read", f->path, f->address, f->length);
      return false;
    }
    if (block[8] >= 3 && (block[11] & (1 | 4)) != 0) {
      pl_error_set(err, PL_ERROR_CORRUPT, "%s is still open for writing, or its writer ended without closing it; "
                   "h5clear -s takes that mark away", f->path);
      return false;
    }
    return true;
  }
  return true;
}

pl_status pl_checked_file_begin(pl_checked_file *f, pl_error *err) {
  enum { BLOCKS_LEAST = 1 << 16, BLOCKS_MOST = 1 << 22 };
  if (!find_superblock(f, err)) return PL_ERROR_CORRUPT;
  f->blocks_left = f->length > 0 ? f->size / (2 * f->length) : 0;
  if (f->blocks_left < BLOCKS_LEAST) f->blocks_left = BLOCKS_LEAST;
  if (f->blocks_left > BLOCKS_MOST) f->blocks_left = BLOCKS_MOST;
  return PL_OK;
}

hid_t pl_checked_file_open(pl_checked_file *f, pl_error *err) {
  static hid_t id = -1;   /* for good: as it closes a file, libhdf5 looks at its driver after giving it back */
  driver_info info = { f };
  hid_t file = -1, access = hdf5.H5Pcreate(hdf5.H5P_CLS_FILE_ACCESS_ID_g);
  if (id < 0) id = hdf5.H5FDregister(&driver);
  if (access >= 0 && id >= 0 && hdf5.H5Pset_driver(access, id, &info) >= 0)
    file = hdf5.H5Fopen(f->path, H5F_ACC_RDONLY, access);
  if (file < 0) pl_hdf5_error(err, PL_ERROR_CORRUPT, "%s: not readable as an HDF5 file", f->path);
  hdf5.H5Pclose(access);
  return file;
}

void pl_checked_file_end(pl_checked_file *f) {
  pl_free(f->claims);
  f->claims = NULL;
  f->claim_count = f->claim_capacity = 0;
}

pl_status pl_checked_file_status(const pl_checked_file *f, pl_status status, pl_error *err) {
  if (f->error.status == PL_OK) return status;
  if (err != NULL) *err = f->error;
  return f->error.status;
}
