/* The names in an old group lie in a local heap, whose free blocks are a list. libhdf5 1.10 follows the list without
   counting: one that a damage has made a circle never ends, and takes memory with every step. So files of others are
   looked at first.

   HDF5 File Format Specification 3.0, III.D: "HEAP", version (0), 3 reserved bytes, size of the data (8), offset in
   them of the first free block (8; 1: none), address of the data (8). A free block: offset of the next (8; 1: none),
   its size (8). All numbers are little-endian. */
#include <string.h>
#include "store/reader.h"

enum { HEAD = 32, BLOCK = 16, NONE = 1 };

static uint64_t number(const uint8_t *p) {
  uint64_t n = 0;
  for (int i = 7; i >= 0; i--) n = n << 8 | p[i];
  return n;
}

/* No two blocks begin at the same offset: more than there are offsets is a circle. What is no list for libhdf5 (in
   whose sum a size may wrap around) it refuses. */
static bool list_ends(const uint8_t *data, uint64_t size, uint64_t offset) {
  for (uint64_t blocks = 0; blocks <= size; blocks++) {
    if (offset == NONE || offset >= size || size - offset < BLOCK) return true;
    if (offset + number(data + offset + 8) > size) return true;
    offset = number(data + offset);
    if (offset == 0) return true;
  }
  return false;
}

/* Addresses count from the signature, which lies at 0, 512, 1024, 2048, ... */
static uint64_t base_of(const uint8_t *file, size_t size) {
  static const uint8_t signature[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
  for (size_t at = 0; at < size && size - at >= sizeof signature; at = at ? 2 * at : 512)
    if (memcmp(file + at, signature, sizeof signature) == 0) return at;
  return 0;
}

bool pl_local_heaps_end(const uint8_t *file, size_t size) {
  static const uint8_t head[8] = "HEAP";
  const uint8_t *end = file + size;
  uint64_t base = base_of(file, size);
  for (const uint8_t *p = file; (p = memmem(p, (size_t)(end - p), head, sizeof head)) != NULL; p++) {
    if (end - p < HEAD) return true;
    uint64_t bytes = number(p + 8), first = number(p + 16), at = number(p + 24);
    if (__builtin_add_overflow(at, base, &at) || at > size || bytes > size - at) continue;
    if (!list_ends(file + at, bytes, first)) return false;
  }
  return true;
}
