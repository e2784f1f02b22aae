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
  size_t wide = 1, length = type == 0x08 ? 1 : type == 0x0C || type == 0x0D ? 4 : 0;
  if (axes < 1 || axes > 6 || length == 0 || data[0] != 0 || data[1] != 0 || size < 4 + 4 * axes) return 0;
  for (size_t a = 0; a < axes; a++) {
    uint32_t n = (uint32_t)data[4 + 4 * a] << 24 | (uint32_t)data[5 + 4 * a] << 16 | (uint32_t)data[6 + 4
        * a] << 8 | data[7 + 4 * a];
    if (__builtin_mul_overflow(length, n, &length) || __builtin_mul_overflow(wide, n ? n : 1, &wide) ||
        wide > (size_t)1 << 48) return 0;
  }
  return length == size - 4 - 4 * axes ? 4 + 4 * axes : 0;
}

static void check_tensor(const pl_tensor *t, const pl_shape *shape, pl_dtype type, const uint8_t *data, size_t header) {
  fuzz_assert(pl_tensor_type(t) == type && pl_shape_equal(pl_tensor_shape(t), shape),
              "the header says another shape than the tensor has");
  size_t bytes = (size_t)pl_tensor_count(t) * pl_dtype_size(type), word = type == PL_U8 ? 0 : 3;
  for (size_t i = 0; data != NULL && i < bytes; i++)   /* words are turned round */
    fuzz_assert(((const uint8_t *)pl_tensor_data(t))[i ^ word] == data[header + i], "another byte than the file has");
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
  fuzz_assert(data == NULL || header == 0 || t != NULL || err.status == PL_ERROR_MEMORY, "a whole file is refused");
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
