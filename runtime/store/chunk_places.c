/* Where the chunks of a data set are. libhdf5 1.10 tells of one chunk, and walks through the index from its beginning
   for that: for n chunks, n^2 / 2 steps. But the leaves of an old index (most files have one) come by here as it reads
   them, and one walk reads all. */
#include <string.h>
#include "perilune/alloc.h"
#include "store/chunks.h"

/* Versions of libhdf5 differ in whether a chunk's address counts from the end of the file's user block. */
static pl_status find_counting(bool *from_user_block, pl_error *err) {
  static int known = -1;
  uint8_t pattern[64];
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)(7 * i + 3);
  pl_memory_file memory;
  hid_t file = known < 0 ? pl_memory_file_create(&memory, err) : -1;
  if (file >= 0) {
    hsize_t size = sizeof pattern, corner = 0, stored = 0;
    haddr_t at = HADDR_UNDEF;
    unsigned mask;
    hid_t space = hdf5.H5Screate_simple(1, &size, NULL), creation = hdf5.H5Pcreate(hdf5.H5P_CLS_DATASET_CREATE_ID_g);
    hdf5.H5Pset_chunk(creation, 1, &size);
    hid_t set = hdf5.H5Dcreate2(file, "x", hdf5.H5T_STD_U8LE_g, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    bool ok = hdf5.H5Dwrite(set, hdf5.H5T_NATIVE_UINT8_g, H5S_ALL, H5S_ALL, H5P_DEFAULT, pattern) >= 0 &&
      hdf5.H5Dget_chunk_info_by_coord(set, &corner, &mask, &at, &stored) >= 0 && at != HADDR_UNDEF;
    hdf5.H5Dclose(set);
    hdf5.H5Pclose(creation);
    hdf5.H5Sclose(space);
    ok = pl_memory_file_close(&memory, file, err) == PL_OK && ok;
    if (ok && at <= memory.size - sizeof pattern) known = memcmp(memory.data + at, pattern, sizeof pattern) != 0;
    pl_free(memory.data);
  }
  *from_user_block = known == 1;
  return known >= 0 ? PL_OK : pl_hdf5_error(err, PL_ERROR_IO, "the HDF5 library does not say where chunks are");
}

typedef struct places {
  const pl_chunks *in;
  pl_stored_chunk *chunks;
} places;

/* A data set that has shrunk may have chunks outside. */
static void note(void *context, const uint8_t *key, uint64_t address) {
  const places *p = context;
  size_t i = 0;
  for (int a = 0; a < p->in->axes; a++) {
    uint64_t at = pl_file_number(key + 8 + 8 * a, 8), chunk = (uint64_t)p->in->chunk[a],
      size = (uint64_t)p->in->size[a];
    if (at >= size || at % chunk != 0) return;
    i = i * (size_t)((size + chunk - 1) / chunk) + (size_t)(at / chunk);
  }
  p->chunks[i] = (pl_stored_chunk){ address, pl_file_number(key, 4), (uint32_t)pl_file_number(key + 4, 4) };
}

static pl_status ask(hid_t set, const hsize_t *corner, uint64_t shift, pl_stored_chunk *chunk, pl_error *err) {
  hsize_t size = 0;
  unsigned mask = 0;
  haddr_t address = HADDR_UNDEF;
  if (hdf5.H5Dget_chunk_info_by_coord(set, corner, &mask, &address, &size) < 0)
    return pl_hdf5_error(err, PL_ERROR_CORRUPT, "its chunks are not found");
  if (address != HADDR_UNDEF) *chunk = (pl_stored_chunk){ address + shift, size, mask };
  return PL_OK;
}

/* The last one first: to it the way is longest. */
pl_status pl_chunks_locate(const pl_chunks *c, pl_checked_file *file, hid_t set, pl_stored_chunk *chunks,
                           pl_error *err) {
  places noted = { c, chunks };
  bool from_user_block = false;
  pl_status status = file->base > 0 ? find_counting(&from_user_block, err) : PL_OK;
  file->entry = note;
  file->context = &noted;
  for (size_t i = c->bands * c->band_chunks; status == PL_OK && i-- > 0;) {
    hsize_t corner[PL_MAX_AXES];
    bool beyond = pl_chunk_corner(c, i, corner);
    if (chunks[i].size == 0) status = ask(set, corner, from_user_block ? file->base : 0, &chunks[i], err);
    if (status == PL_OK && chunks[i].size == 0)
      status = pl_error_set(err, PL_ERROR_TYPE, "some of its chunks were never written");
    if (status == PL_OK) status = pl_chunk_check_size(c, chunks[i].size, err);
    if (beyond && c->edges_plain) chunks[i].without = UINT32_MAX;
  }
  file->entry = NULL;
  return status;
}
