/* Fletcher-32 in lanes. Words are read in the machine's own order: 256 w = w with its bytes swapped (modulo 65535), so
   that sums of swapped words are the swapped sums. */
#include <string.h>
#include "store/fletcher32.h"

#define BIG_ENDIAN_WORDS (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
enum { PAIRS = 4, WORDS = 2 * PAIRS, ROWS_MOST = 256 };   /* the most for which a lane's b fits 32 bits */
typedef uint32_t lanes __attribute__((vector_size(4 * PAIRS)));

/* As HDF5 keeps it: 65535 is not 0, which is the sum of zeros only. */
static uint32_t reduce(uint64_t x) {
  while (x >> 16) x = (x & 0xffff) + (x >> 16);
  return (uint32_t)x;
}

/* n words were summed by themselves. */
static void append(pl_fletcher32 *f, uint64_t n, uint64_t a, uint64_t b) {
  f->b = reduce(f->b + n * f->a + b);
  f->a = reduce(f->a + a);
}

/* rows of WORDS words, two in a lane. Word j of row r counts WORDS (rows - r) - j = WORDS (rows - 1 - r) + WORDS - j
   times in b. */
static void append_rows(pl_fletcher32 *f, const uint8_t *data, size_t rows) {
  lanes low = { 0 }, high = { 0 }, b = { 0 };   /* b: rows - 1 - r times the words of row r */
  uint64_t sum = 0, weighted = 0;
  for (size_t r = 0; r < rows; r++, data += 2 * WORDS) {
    lanes pair;
    memcpy(&pair, data, sizeof pair);
    b += low + high;
    low += pair & 0xffff;
    high += pair >> 16;
  }
  for (int j = 0; j < PAIRS; j++) {
    uint64_t first = BIG_ENDIAN_WORDS ? high[j] : low[j], second = BIG_ENDIAN_WORDS ? low[j] : high[j];
    sum += first + second;
    weighted += (uint64_t)WORDS * b[j] + (WORDS - 2 * j) * first + (WORDS - 2 * j - 1) * second;
  }
  append(f, WORDS * rows, sum, weighted);
}

void pl_fletcher32_update(pl_fletcher32 *f, const uint8_t *data, size_t n) {
  while (n >= 2 * WORDS) {
    size_t rows = n / (2 * WORDS) < ROWS_MOST ? n / (2 * WORDS) : ROWS_MOST;
    append_rows(f, data, rows);
    data += rows * 2 * WORDS;
    n -= rows * 2 * WORDS;
  }
  for (; n > 0; data += 2, n -= n < 2 ? n : 2) {
    uint16_t w = 0;
    memcpy(&w, data, n < 2 ? n : 2);
    append(f, 1, w, w);
  }
}

static uint32_t big_endian(uint32_t x) {
  return BIG_ENDIAN_WORDS ? x : __builtin_bswap16((uint16_t)x);
}

uint32_t pl_fletcher32_sum(const pl_fletcher32 *f) { return big_endian(f->b) << 16 | big_endian(f->a); }

bool pl_fletcher32_is(const pl_fletcher32 *f, const uint8_t *at) {
  return pl_fletcher32_sum(f) == ((uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0]);
}
