/* A file on disk that libhdf5 reads through us (as a driver of it), and of which each local heap is checked before
   libhdf5 sees it. To look for heaps in all of the file would take seconds, and a cold disk reads it all; libhdf5 reads
   what leads to one data set. It gathers no metadata for a driver that does not offer it, so a heap's beginning is
   the beginning of what is read. */
#include <string.h>
#include "store/local_heap.h"
#include "perilune/alloc.h"

typedef struct checked_file {
  H5FD_t pub;
  pl_heaps *heaps;
  haddr_t end;                   /* as libhdf5 says */
} checked_file;

typedef struct driver_info { pl_heaps *heaps; } driver_info;

static H5FD_t *checked_open(const char *name, unsigned flags, hid_t access, haddr_t most) {
  const driver_info *info = hdf5.H5Pget_driver_info(access);
  (void)name; (void)flags; (void)most;
  checked_file *f = info ? pl_alloc(sizeof *f, NULL) : NULL;
  if (f == NULL) return NULL;
  f->heaps = info->heaps;
  return &f->pub;
}

static herr_t checked_close(H5FD_t *file) {
  pl_free(file);
  return 0;
}

static herr_t checked_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = 0;
  return 0;
}

static haddr_t checked_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const checked_file *)file)->end;
}

static herr_t checked_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
  (void)type;
  ((checked_file *)file)->end = end;
  return 0;
}

static haddr_t checked_get_eof(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const checked_file *)file)->heaps->size;
}

/* Behind the file's end are zeros: libhdf5 may ask for more than an object has. */
static herr_t checked_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n, void *out) {
  pl_heaps *h = ((checked_file *)file)->heaps;
  (void)transfer;
  size_t there = at >= h->size ? 0 : n < h->size - at ? n : (size_t)(h->size - at);
  memset((char *)out + there, 0, n - there);
  if (there > 0 && !pl_heaps_get(h, at, out, there)) return -1;
  return type == H5FD_MEM_DRAW || !pl_is_local_heap(out, there) || pl_local_heap_ends(h, at) ? 0 : -1;
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

hid_t pl_checked_file_open(const char *path, pl_heaps *heaps, pl_error *err) {
  static hid_t id = -1;   /* for good: as it closes a file, libhdf5 looks at its driver after giving it back */
  driver_info info = { heaps };
  hid_t file = -1, access = hdf5.H5Pcreate(hdf5.H5P_CLS_FILE_ACCESS_ID_g);
  if (id < 0) id = hdf5.H5FDregister(&driver);
  if (access >= 0 && id >= 0 && hdf5.H5Pset_driver(access, id, &info) >= 0)
    file = hdf5.H5Fopen(path, H5F_ACC_RDONLY, access);
  if (file < 0) pl_hdf5_error(err, PL_ERROR_CORRUPT, "cannot open %s", path);
  hdf5.H5Pclose(access);
  return file;
}
