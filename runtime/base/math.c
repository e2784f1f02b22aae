/* Elementary functions in plain IEEE arithmetic: argument reduction and a Taylor polynomial whose first omitted term is
   below 1e-17 of the result. Accurate to three units in the last place, but for powers: see pl_pow. What matters is
   that every compiler and C library gives the same bits. Sine and cosine: trigonometry.c. */
#include <float.h>
#include <math.h>
#include "perilune/math.h"

static const double ln2_high = 0x1.62e42fefa0000p-1, ln2_low = 0x1.cf79abc9e3b39p-40;

double pl_exp(double x) {
  if (!(x < 709.8)) return x > 0 ? INFINITY : x;
  if (x < -745.2) return 0;
  double k = floor(x * 1.4426950408889634 + 0.5);
  double r = (x - k * ln2_high) - k * ln2_low;
  double sum = 1;
  for (int i = 14; i >= 1; i--) sum = 1 + r / i * sum;
  return ldexp(sum, (int)k);
}

/* log x = k ln 2 + 2 (s + s^3/3 + s^5/5 + ...), s = (m-1)/(m+1), m in [sqrt(1/2), sqrt 2) */
double pl_log(double x) {
  if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
  if (x == INFINITY) return x;
  int k;
  double m = frexp(x, &k);
  if (m < 0.7071067811865476) {
    m *= 2;
    k--;
  }
  double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
  for (int i = 25; i >= 1; i -= 2) sum = sum * s2 + 1.0 / i;
  return k * ln2_high + (2 * s * sum + k * ln2_low);
}

static double power_of_integer(double x, unsigned n) {
  double result = 1;
  for (; n; n >>= 1, x *= x) {
    if (n & 1) result *= x;
  }
  return result;
}

static bool is_odd(double y) { return fabs(y) < 0x1p53 && y == floor(y) && fmod(y, 2) != 0; }

/* |x| finite and above 0, y finite: by squaring where y is a small whole number and nothing is too small or too large
   on the way. */
static double power(double x, double y) {
  if (y == floor(y) && fabs(y) <= 1024) {
    double p = power_of_integer(x, (unsigned)fabs(y));
    if (y >= 0) return p;
    if (p >= DBL_MIN && p < INFINITY) return 1 / p;
  }
  return pl_exp(y * pl_log(x));
}

/* The cases are those of IEEE 754. Relative error below 3e-13: y log x, up to 745, is rounded before its
   exponential. */
double pl_pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return NAN;
  double a = fabs(x), sign = x < 0 || (x == 0 && signbit(x)) ? -1 : 1;
  if (fabs(y) == INFINITY) return a == 1 ? 1 : (a > 1) == (y > 0) ? INFINITY : 0;
  if (sign < 0 && !is_odd(y)) {
    if (a != 0 && a != INFINITY && y != floor(y)) return NAN;
    sign = 1;
  }
  if (a == 0) return sign * (y > 0 ? 0 : INFINITY);
  if (a == INFINITY) return sign * (y > 0 ? INFINITY : 0);
  return sign * power(a, y);
}

double pl_tanh(double x) {
  if (x != x) return x;
  if (fabs(x) > 20) return x > 0 ? 1 : -1;
  if (fabs(x) < 0.3) {  /* sinh/cosh by their series: no cancellation near 0 */
    double x2 = x * x, sh = 1, ch = 1;
    for (int i = 16; i >= 2; i -= 2) {
      sh = 1 + x2 / (i * (i + 1)) * sh;
      ch = 1 + x2 / (i * (i - 1)) * ch;
    }
    return x * sh / ch;
  }
  double e = pl_exp(2 * x);
  return (e - 1) / (e + 1);
}
