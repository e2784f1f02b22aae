/* IDX files, plain and gzip. Byte 0 of the input says how the rest is laid out: bit 0: the images are compressed here,
   so that mutations reach what is inside; bit 1: the rest is a pair, images of as many bytes as bytes 1 and 2 say, then
   labels. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "perilune/alloc.h"
#include "perilune/data.h"
#include "fuzz.h"

/* Stored, not compressed: fast, and the format around it is the same. */
static const char *gzip_file(int which, const uint8_t *data, size_t size) {
  z_stream z = { 0 };
  fuzz_assert(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 1, Z_FIXED) == Z_OK, "no deflate");
  size_t room = deflateBound(&z, size);
  uint8_t *out = malloc(room);
  z.next_in = (uint8_t *)data, z.avail_in = (unsigned)size, z.next_out = out, z.avail_out = (unsigned)room;
  deflate(&z, Z_FINISH);
  const char *path = fuzz_file(which, out, z.total_out);
  deflateEnd(&z);
  free(out);
  return path;
}

static const char *file_of(int which, int compress, const uint8_t *data, size_t size) {
  return (compress ? gzip_file : fuzz_file)(which, data, size);
}

/* The format in a few lines, as another reader than the one under test: is this a whole IDX file, and how long is its
   header? An empty tensor whose other axes multiply beyond any memory counts as damaged. */
static size_t header_of(const uint8_t *data, size_t size) {
  size_t axes = size < 4 ? 0 : data[3], type = size < 4 ? 0 : data[2];
  static const uint8_t sizes[16] = { [0x08] = 1, [0x09] = 1, [0x0B] = 2, [0x0C] = 4, [0x0D] = 4, [0x0E] = 8 };
  size_t wide = 1, length = type < 16 ? sizes[type] : 0;
  if (axes < 1 || axes > 6 || length == 0 || data[0] != 0 || data[1] != 0 || size < 4 + 4 * axes) return 0;
  for (size_t a = 0; a < axes; a++) {
    uint32_t n = (uint32_t)data[4 + 4 * a] << 24 | (uint32_t)data[5 + 4 * a] << 16 | (uint32_t)data[6 + 4
        * a] << 8 | data[7 + 4 * a];
    if (__builtin_mul_overflow(length, n, &length) || __builtin_mul_overflow(wide, n ? n : 1, &wide) ||
        wide > (size_t)1 << 48) return 0;
  }
  return length == size - 4 - 4 * axes ? 4 + 4 * axes : 0;
}

/* Element i as the file has it. */
static double value_of(const uint8_t *data, size_t i, int type) {
  size_t size = type == 0x0E ? 8 : type == 0x0B ? 2 : type >= 0x0C ? 4 : 1;
  uint64_t bits = 0;
  for (size_t b = 0; b < size; b++) bits = bits << 8 | data[i * size + b];
  float f;
  double d;
  uint32_t word = (uint32_t)bits;
  switch (type) {
    case 0x08: return (double)bits;
    case 0x09: return (int8_t)bits;
    case 0x0B: return (int16_t)bits;
    case 0x0C: return (int32_t)bits;
    case 0x0D: memcpy(&f, &word, 4); return f;
    default: memcpy(&d, &bits, 8); return (float)d;
  }
}

/* Of an f64 that is too large for an f32 the file is refused. */
static int is_beyond(const uint8_t *data, size_t size, size_t header) {
  if (data[2] != 0x0E) return 0;
  for (size_t i = 0; i < (size - header) / 8; i++) {
    double d;
    uint64_t bits = 0;
    for (size_t b = 0; b < 8; b++) bits = bits << 8 | data[header + i * 8 + b];
    memcpy(&d, &bits, 8);
    if (d - d == 0 && (float)d - (float)d != 0) return 1;
  }
  return 0;
}

static void check_tensor(const pl_tensor *t, const pl_shape *shape, pl_dtype type, const uint8_t *data, size_t header) {
  fuzz_assert(pl_tensor_type(t) == type && pl_shape_equal(pl_tensor_shape(t), shape),
              "the header says another shape than the tensor has");
  for (int64_t i = 0; data != NULL && i < pl_tensor_count(t); i++) {
    double found = pl_tensor_get(t, i), there = value_of(data + header, (size_t)i, data[2]);
    fuzz_assert(found == there || (found != found && there != there), "another value than the file has");
  }
}

/* `data`: what lies in the file uncompressed, if that is known. */
static void read_one(const char *path, const uint8_t *data, size_t size) {
  pl_error err = { 0 };
  pl_dtype type;
  pl_shape shape;
  char sum[PL_SHA256_TEXT];
  pl_status head = pl_idx_head(path, &type, &shape, &err);
  fuzz_assert(head == PL_OK || err.text[0] != '\0', "refused without a message");
  pl_tensor *t = pl_idx_read(path, sum, &err);
  fuzz_assert(t != NULL || err.text[0] != '\0', "refused without a message");
  fuzz_assert(t == NULL || head == PL_OK, "read, though its header is refused");
  size_t header = data ? header_of(data, size) : 0;
  if (header > 0 && is_beyond(data, size, header)) fuzz_assert(t == NULL, "numbers beyond f32 are read");
  else fuzz_assert(header == 0 || t != NULL || err.status == PL_ERROR_MEMORY, "a whole file is refused");
  fuzz_assert(data == NULL || header > 0 || t == NULL, "a damaged file is read");
  if (t != NULL) check_tensor(t, &shape, type, data, header);
  pl_tensor_free(t);
}

static void read_pair(const char *images, const char *labels) {
  pl_error err = { 0 };
  pl_idx_sums sums;
  pl_dataset *ds = pl_dataset_read_idx(images, labels, 10, &sums, &err);
  fuzz_assert(ds != NULL || err.text[0] != '\0', "refused without a message");
  for (size_t i = 0; ds != NULL && i < pl_dataset_count(ds) && pl_dataset_classes(ds) > 0; i++) {
    int32_t label = pl_dataset_label(ds, i);
    fuzz_assert(label >= 0 && label < 10, "a label out of range");
  }
  pl_dataset_free(ds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3 || size > 1 << 16) return 0;
  int how = data[0];
  size_t first = (size_t)(data[1] | data[2] << 8), live = pl_alloc_live();
  data += 3, size -= 3;
  if (first > size || !(how & 2)) first = size;
  const char *images = file_of(0, how & 1, data, first);
  bool gzip = !(how & 1) && first > 1 && data[0] == 0x1f && data[1] == 0x8b;
  read_one(images, gzip ? NULL : data, first);
  if (how & 2) read_pair(images, file_of(1, how & 1, data + first, size - first));
  fuzz_assert(pl_alloc_live() == live, "memory is lost");
  return 0;
}
