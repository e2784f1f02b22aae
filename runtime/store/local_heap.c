/* The names in an old group lie in a local heap, whose free blocks are a list. libhdf5 1.10 follows the list without
   counting: one that a damage has made a circle never ends, and takes memory with every step.

   HDF5 File Format Specification 3.0. III.D: "HEAP", version (0), 3 reserved bytes (whatever they are), size of the
   data (L), offset in them of the first free block (L; 1: none), address of the data (O). A free block: offset of the
   next (L; 1: none), its size (L). All numbers are little-endian. */
#include <string.h>
#include "store/checked_file.h"

/* Neither the blocks of one list overlap nor those of two: a file has no more than fit into it. Many heaps may claim
   the same list, and libhdf5 may read a heap again, so they are counted for the file as a whole, small ones generously.
   A block that is not all inside the data is followed by libhdf5 all the same; one that begins outside of them it
   refuses, and one whose end, in a sum that may wrap around, is outside. */
static bool list_ends(pl_checked_file *f, uint64_t data, uint64_t size, uint64_t offset) {
  enum { NONE = 1 };
  uint8_t block[16];
  while (offset != NONE && offset < size) {
    if (size - offset < 2 * f->length || f->blocks_left-- == 0) return false;
    if (!pl_checked_file_get(f, data + offset, block, 2 * f->length)) return true;
    if (offset + pl_file_number(block + f->length, f->length) > size) return true;
    offset = pl_file_number(block, f->length);
    if (offset == 0) return true;
  }
  return true;
}

bool pl_local_heap_check(pl_checked_file *f, uint64_t at, const uint8_t *bytes, size_t n) {
  static const char beginning[5] = "HEAP";   /* and version 0 */
  uint8_t head[8 + 3 * 8];
  unsigned l = f->length;
  if (n < sizeof beginning || memcmp(bytes, beginning, sizeof beginning) != 0) return true;
  if (!pl_checked_file_get(f, at, head, 8 + 2 * l + f->address)) return true;
  uint64_t size = pl_file_number(head + 8, l), first = pl_file_number(head + 8 + l, l),
    data = pl_file_number(head + 8 + 2 * l, f->address);
  if (__builtin_add_overflow(data, f->base, &data) || data > f->size || size > f->size - data) return true;
  return list_ends(f, data, size, first) ||
    pl_checked_file_refuse(f, "the free blocks of a heap of names are no list");
}
