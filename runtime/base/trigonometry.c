/* Sine and cosine in plain IEEE arithmetic: x = quarter * pi/2 + r with |r| <= pi/4, then a Taylor polynomial whose
   first omitted term is below 1e-17 of the result. Within two units in the last place, for every finite x; every
   compiler and C library gives the same bits. */
#include <math.h>
#include "perilune/math.h"

static double sin_polynomial(double r) {
  double r2 = r * r, sum = 1;
  for (int i = 18; i >= 2; i -= 2) sum = 1 - r2 / (i * (i + 1)) * sum;
  return r * sum;
}

static double cos_polynomial(double r) {
  double r2 = r * r, sum = 1;
  for (int i = 17; i >= 1; i -= 2) sum = 1 - r2 / (i * (i + 1)) * sum;
  return sum;
}

/* 2/pi in binary, from the point on. */
static const uint64_t two_over_pi[] = {
  0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
  0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
  0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
  0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
  0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
};

/* Its 64 bits from bit `at` on (0: the first after the point; before it there are zeros). */
static uint64_t bits_at(int at) {
  enum { WORDS = sizeof two_over_pi / sizeof *two_over_pi };
  int word = (at + 64) / 64 - 1, shift = at - 64 * word;
  uint64_t high = word >= 0 && word < WORDS ? two_over_pi[word] : 0,
    low = word + 1 >= 0 && word + 1 < WORDS ? two_over_pi[word + 1] : 0;
  return shift == 0 ? high : high << shift | low >> (64 - shift);
}

/* |x| = m 2^e, m < 2^53 whole. Bits of 2/pi whose product with m 2^e is a multiple of 4 do not matter: of the others
   the next 192 are multiplied by m, modulo 4. Two bits of the product are the quarter, the rest is a fraction of one;
   what was left out is below 2^-137, and no double is nearer to a multiple of pi/2 than 2^-62 (Payne and Hanek,
   1983). */
static double reduce_exactly(double x, int *quarter) {
  int e;
  uint64_t m = (uint64_t)ldexp(frexp(x, &e), 53), product[3], carry = 0;
  e -= 53;
  for (int i = 2; i >= 0; i--) {
    unsigned __int128 p = (unsigned __int128)m * bits_at(e - 2 + 64 * i) + carry;
    product[i] = (uint64_t)p;
    carry = (uint64_t)(p >> 64);
  }
  *quarter = (int)(product[0] >> 62);
  uint64_t high = product[0] << 2 | product[1] >> 62, low = product[1] << 2 | product[2] >> 62;
  bool above = high >> 63;   /* the nearest quarter is the next: the fraction counts from there, downwards */
  if (above) {
    *quarter += 1;
    high = ~high;
    low = ~low;
  }
  int zeros = high ? __builtin_clzll(high) : 64 + (low ? __builtin_clzll(low) : 0);
  if (zeros >= 64) high = low << (zeros - 64), low = 0;
  else if (zeros > 0) high = high << zeros | low >> (64 - zeros), low <<= zeros;
  double fraction = ldexp((double)high, -64 - zeros);
  return (above ? -fraction : fraction) * 1.5707963267948966;
}

/* Small arguments: pi/2 in three parts (Cody and Waite), of which the first has 33 bits, so that k times it is
   exact. */
static double sin_quarter(double x, int quarter) {
  int nearest;
  double r;
  if (!(fabs(x) < INFINITY)) return NAN;
  if (fabs(x) < 1.6e6) {
    double k = floor(x * 0.6366197723675814 + 0.5);
    r = ((x - k * 0x1.921fb544p+0) - k * 0x1.0b4611a6p-34) - k * 0x1.3198a2e037073p-69;
    nearest = (int)k;
  } else {
    r = reduce_exactly(fabs(x), &nearest);
    if (x < 0) nearest = -nearest, r = -r;
  }
  switch ((nearest + quarter) & 3) {
    case 0: return sin_polynomial(r);
    case 1: return cos_polynomial(r);
    case 2: return -sin_polynomial(r);
    default: return -cos_polynomial(r);
  }
}

double pl_sin(double x) { return sin_quarter(x, 0); }
double pl_cos(double x) { return sin_quarter(x, 1); }
