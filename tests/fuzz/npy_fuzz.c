/* NPY and NPZ files. Byte 0 of the input: even: the rest is an .npy file; odd: an .npz archive, whose arrays are
   all read. For an .npy file of version 1 another reader says whether u1 and <i4 arrays in C order are whole. */
#include <stdio.h>
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/readers.h"
#include "fuzz.h"

static pl_tensor *read_one(const char *path, const char *member) {
  pl_error err = { 0 };
  pl_array_info info;
  pl_status known = pl_npy_info(path, member, &info, &err);
  fuzz_assert(known == PL_OK || err.text[0] != '\0', "refused without a message");
  pl_tensor *t = pl_npy_read(path, member, &err);
  fuzz_assert(t != NULL || err.text[0] != '\0', "refused without a message");
  fuzz_assert(t == NULL || known == PL_OK, "read, though its header is refused");
  if (t != NULL) {
    fuzz_assert(pl_shape_equal(pl_tensor_shape(t), &info.shape), "the header says another shape than the tensor has");
    fuzz_assert(pl_tensor_contiguous(t), "not contiguous");
    double sum = 0;
    for (int64_t i = 0; i < pl_tensor_count(t) && i < 1000; i++) sum += pl_tensor_get(t, i);
    (void)sum;
  }
  return t;
}

/* The header as numpy.save writes it, and nothing else. */
static void check_plain(const pl_tensor *t, const uint8_t *data, size_t size) {
  char header[129] = "", expected[160];
  unsigned long n = 0, m = 0;
  if (size < 128 || memcmp(data, "\x93NUMPY\1\0\x76\0", 10) != 0) return;
  memcpy(header, data + 10, 118);
  bool bytes = sscanf(header, "{'descr': '|u1', 'fortran_order': False, 'shape': (%5lu, %5lu), }", &n, &m) == 2;
  bool words = sscanf(header, "{'descr': '<i4', 'fortran_order': False, 'shape': (%5lu, %5lu), }", &n, &m) == 2;
  if (!bytes && !words) return;
  snprintf(expected, sizeof expected, "{'descr': '%s', 'fortran_order': False, 'shape': (%lu, %lu), }",
           bytes ? "|u1" : "<i4", n, m);
  size_t length = strlen(expected), unit = bytes ? 1 : 4;
  if (memcmp(header, expected, length) != 0 || strspn(header + length, " ") != 117 - length || header[117] != '\n')
    return;
  bool whole = size - 128 == n * m * unit;
  fuzz_assert(whole == (t != NULL), whole ? "a whole file is refused" : "a damaged file is read");
  fuzz_assert(t == NULL || n * m == 0 || memcmp(pl_tensor_data(t), data + 128, size - 128) == 0,
              "another byte than the file has");
}

static const char *archive;
static void read_member(void *context, const char *name) {
  int *left = context;
  if ((*left)-- > 0) pl_tensor_free(read_one(archive, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2 || size > 1 << 16) return 0;
  size_t live = pl_alloc_live();
  const char *path = fuzz_file(0, data + 1, size - 1);
  if (data[0] & 1) {
    pl_error err = { 0 };
    int most = 8;
    archive = path;
    pl_status status = pl_npz_list(path, read_member, &most, &err);
    fuzz_assert(status == PL_OK || err.text[0] != '\0', "refused without a message");
  } else {
    pl_tensor *t = read_one(path, NULL);
    check_plain(t, data + 1, size - 1);
    pl_tensor_free(t);
  }
  fuzz_assert(pl_alloc_live() == live, "memory is lost");
  return 0;
}
