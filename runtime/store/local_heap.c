/* The names in an old group lie in a local heap, whose free blocks are a list. libhdf5 1.10 follows the list without
   counting: one that a damage has made a circle never ends, and takes memory with every step.

   HDF5 File Format Specification 3.0. III.D: "HEAP", version (0), 3 reserved bytes (whatever they are), size of the
   data (L), offset in them of the first free block (L; 1: none), address of the data (O). A free block: offset of the
   next (L; 1: none), its size (L). II.A: the superblock says how many bytes addresses (O) and lengths (L) have. All
   numbers are little-endian. */
#include <string.h>
#include "store/local_heap.h"

enum { HEAD_MOST = 8 + 3 * 8, NONE = 1, BLOCKS_LEAST = 1 << 16, BLOCKS_MOST = 1 << 22 };

static const char beginning[5] = "HEAP";   /* and version 0 */

bool pl_is_local_heap(const uint8_t *bytes, size_t n) {
  return n >= sizeof beginning && memcmp(bytes, beginning, sizeof beginning) == 0;
}

bool pl_heaps_get(const pl_heaps *h, uint64_t at, void *out, size_t n) {
  if (at > h->size || n > h->size - at) return false;
  if (h->source != NULL) return pl_source_read_at(h->source, at, out, n, NULL) == PL_OK;
  memcpy(out, h->memory + at, n);
  return true;
}

static uint64_t number(const uint8_t *p, unsigned bytes) {
  uint64_t n = 0;
  while (bytes-- > 0) n = n << 8 | p[bytes];
  return n;
}

/* Neither the blocks of one list overlap nor those of two: a file has no more than fit into it. Many heaps may claim
   the same list, and libhdf5 may read a heap again, so they are counted for the file as a whole, small ones generously.
   A block that is not all inside the data is followed by libhdf5 all the same; one that begins outside of them it
   refuses, and one whose end, in a sum that may wrap around, is outside. */
static bool list_ends(pl_heaps *h, uint64_t data, uint64_t size, uint64_t offset) {
  uint8_t block[16];
  while (offset != NONE && offset < size) {
    if (size - offset < 2 * h->length || h->blocks_left-- == 0) return false;
    if (!pl_heaps_get(h, data + offset, block, 2 * h->length)) return true;
    if (offset + number(block + h->length, h->length) > size) return true;
    offset = number(block, h->length);
    if (offset == 0) return true;
  }
  return true;
}

bool pl_local_heap_ends(pl_heaps *h, uint64_t at) {
  uint8_t head[HEAD_MOST];
  unsigned l = h->length;
  if (!pl_heaps_get(h, at, head, 8 + 2 * l + h->address)) return true;
  uint64_t size = number(head + 8, l), first = number(head + 8 + l, l), data = number(head + 8 + 2 * l, h->address);
  if (__builtin_add_overflow(data, h->base, &data) || data > h->size || size > h->size - data) return true;
  if (!list_ends(h, data, size, first)) h->damaged = true;
  return !h->damaged;
}

/* The signature lies at 0, 512, 1024, 2048, ... Without one libhdf5 opens nothing. */
static bool find_superblock(pl_heaps *h, const char *path, pl_error *err) {
  static const uint8_t signature[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
  uint8_t block[15];
  for (; pl_heaps_get(h, h->base, block, sizeof block); h->base = h->base ? 2 * h->base : 512) {
    if (memcmp(block, signature, sizeof signature) != 0) continue;
    const uint8_t *sizes = block + (block[8] < 2 ? 13 : 9);
    h->address = sizes[0];
    h->length = sizes[1];
    for (int i = 0; i < 2; i++) {
      if (sizes[i] == 2 || sizes[i] == 4 || sizes[i] == 8) continue;
      pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged, or no file for this program: its addresses have %u bytes and "
                   "its lengths %u, where 2, 4 or 8 are read", path, h->address, h->length);
      return false;
    }
    return true;
  }
  return true;
}

pl_status pl_heaps_begin(pl_heaps *h, const char *path, pl_error *err) {
  if (!find_superblock(h, path, err)) return PL_ERROR_CORRUPT;
  h->blocks_left = h->length > 0 ? h->size / (2 * h->length) : 0;
  if (h->blocks_left < BLOCKS_LEAST) h->blocks_left = BLOCKS_LEAST;
  if (h->blocks_left > BLOCKS_MOST) h->blocks_left = BLOCKS_MOST;
  return PL_OK;
}

pl_status pl_heaps_error(const char *path, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: the free blocks of a heap of names are no list", path);
}

/* Where its groups are, only libhdf5 could say: whatever begins as a heap is taken for one. */
pl_status pl_local_heaps_check(const char *path, const uint8_t *file, size_t size, pl_error *err) {
  pl_heaps h = { .memory = file, .size = size };
  pl_status status = pl_heaps_begin(&h, path, err);
  if (status || h.length == 0) return status;
  const uint8_t *end = file + size;
  for (const uint8_t *p = file; (p = memmem(p, (size_t)(end - p), beginning, sizeof beginning)) != NULL; p++)
    if (!pl_local_heap_ends(&h, (uint64_t)(p - file))) return pl_heaps_error(path, err);
  return PL_OK;
}
