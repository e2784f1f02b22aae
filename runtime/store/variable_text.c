/* Texts of variable length lie in global heap collections, to which libhdf5 1.10 follows references without a look at
   what they say: a damaged one makes it crash. So the bytes of the file are looked at first.

   HDF5 File Format Specification 3.0. III.E, a collection: "GCOL", version (1), 3 reserved bytes, size (8); objects:
   index (2), references (2), reserved (4), size (8), the data up to a multiple of 8; an object of index 0 is the free
   rest. IV.A.2.m, an attribute: version (1), a byte, sizes of name, datatype and dataspace (2 each), version 3: a byte
   for the name's characters; then these three, in version 1 each up to a multiple of 8; then the value: length (4),
   address of a collection (8), index (4). All numbers are little-endian. */
#include <string.h>
#include "store/reader.h"

enum { COLLECTION_HEAD = 16, OBJECT_HEAD = 16, REFERENCE = 16 };

static uint64_t up_to_8(uint64_t n) { return (n + 7) / 8 * 8; }

/* Whether the collection at `at` is whole and has an object of that index with `length` bytes: all are copied. */
static bool has_object(const uint8_t *file, size_t size, uint64_t at, uint64_t index, uint64_t length) {
  bool found = false;
  if (at > size || size - at < COLLECTION_HEAD || memcmp(file + at, "GCOL", 4) != 0 || file[at + 4] != 1) return false;
  uint64_t left = pl_file_number(file + at + 8, 8);
  if (left < COLLECTION_HEAD || left > size - at) return false;
  const uint8_t *p = file + at + COLLECTION_HEAD;
  left -= COLLECTION_HEAD;
  while (left >= OBJECT_HEAD) {
    uint64_t i = pl_file_number(p, 2), bytes = pl_file_number(p + 8, 8);
    uint64_t need = i ? up_to_8(bytes) + OBJECT_HEAD : bytes;
    if (bytes > left || need > left || need < OBJECT_HEAD) return false;
    found = found || (i == index && i != 0 && bytes == length);
    p += need;
    left -= need;
  }
  return found;
}

/* Whether what is before a name at `name`, of n bytes with its end, is the head of an attribute; the value's offset. */
static bool is_attribute(const uint8_t *file, size_t size, size_t name, size_t n, size_t *value) {
  for (int version = 1; version <= 3; version++) {
    size_t head = version == 3 ? 9 : 8;
    if (name < head || file[name - head] != version || pl_file_number(file + name - head + 2, 2) != n) continue;
    uint64_t type = pl_file_number(file + name - head + 4, 2), space = pl_file_number(file + name - head + 6, 2);
    uint64_t all = version == 1 ? up_to_8(n) + up_to_8(type) + up_to_8(space) : n + type + space;
    *value = name + all;
    return all <= size - name && size - *value >= REFERENCE;
  }
  return false;
}

bool pl_variable_text_is_whole(const pl_store_reader *r, const char *name) {
  const uint8_t *file = r->in.memory;
  size_t size = (size_t)r->in.size, n = strlen(name) + 1, value;
  bool found = false;
  for (const uint8_t *p = file; p != NULL && (p = memmem(p, size - (size_t)(p - file), name, n)) != NULL; p++) {
    if (!is_attribute(file, size, (size_t)(p - file), n, &value)) continue;
    uint64_t length = pl_file_number(file + value, 4), at = pl_file_number(file + value + 4, 8);
    uint64_t index = pl_file_number(file + value + 12, 4);
    found = true;
    if (at != 0 && (at > size || !has_object(file, size, at + r->in.base, index, length))) return false;
  }
  return found;
}
