/* HDF5's Fletcher-32, of big-endian words of 16 bits w(0) .. w(n-1), modulo 65535:
     a = sum w(i),   b = sum (n - i) w(i),   the sum is b << 16 | a. */
#ifndef STORE_FLETCHER32_H
#define STORE_FLETCHER32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_fletcher32 {
  uint32_t a, b;                 /* of words as this machine reads them */
} pl_fletcher32;                 /* zero: of no bytes */

/* In pieces of an even number of bytes; the last may be odd, as if a zero followed. */
void pl_fletcher32_update(pl_fletcher32 *f, const uint8_t *data, size_t n);
uint32_t pl_fletcher32_sum(const pl_fletcher32 *f);
/* Is it the one that is stored at `at`, in 4 bytes? */
bool pl_fletcher32_is(const pl_fletcher32 *f, const uint8_t *at);

#endif
