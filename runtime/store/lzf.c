/* LZF is a sequence of
     0 0 0 n n n n n, then n + 1 bytes as they are;
     l l l d d d d d [m] d d d d d d d d: l + 2 bytes again, from d + 1 bytes before; l = 7: 9 + m bytes. */
#include <string.h>
#include "store/lzf.h"

bool pl_lzf_unpack(uint8_t *out, size_t capacity, const uint8_t *in, size_t *n) {
  size_t at = 0, done = 0, size = *n;
  while (at < size) {
    size_t head = in[at++], length = head >> 5;
    if (length == 0) {
      length = head + 1;
      if (length > size - at || length > capacity - done) return false;
      memcpy(out + done, in + at, length);
      at += length;
    } else {
      if (length == 7 && at < size) length += in[at++];
      length += 2;
      if (at == size) return false;
      size_t back = ((head & 31) << 8 | in[at++]) + 1;
      if (back > done || length > capacity - done) return false;
      for (size_t i = 0; i < length; i++) out[done + i] = out[done + i - back];   /* they may overlap */
    }
    done += length;
  }
  *n = done;
  return true;
}

/* The third of its values is how long a chunk is, without a sum that another filter has put after it. 0: it failed. */
static size_t filter(unsigned flags, size_t values, const unsigned value[], size_t size, size_t *capacity,
                     void **bytes) {
  enum { SPARE = 64 };
  if (!(flags & H5Z_FLAG_REVERSE) || values < 3 || value[2] > 1u << 30) return 0;
  size_t most = value[2] + SPARE;
  void *out = hdf5.H5allocate_memory(most, false);
  if (out == NULL || !pl_lzf_unpack(out, most, *bytes, &size)) {
    if (out) hdf5.H5free_memory(out);
    return 0;
  }
  hdf5.H5free_memory(*bytes);
  *bytes = out;
  *capacity = most;
  return size;
}

const H5Z_class2_t pl_lzf_filter = { H5Z_CLASS_T_VERS, 32000, 1, 1, "lzf", NULL, NULL, filter };
