/* Elementary functions in plain IEEE arithmetic: argument reduction and a Taylor polynomial whose first
   omitted term is below 1e-17 of the result. Accurate to a few units in the last place; what matters is
   that every compiler and C library gives the same bits. */
#include <math.h>
#include "perilune/base.h"

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

double pl_pow(double x, double y) {
  if (y == floor(y) && fabs(y) <= 1024) {
    double p = power_of_integer(x, (unsigned)fabs(y));
    return y < 0 ? 1 / p : p;
  }
  if (x == 0) return y > 0 ? 0 : INFINITY;
  return pl_exp(y * pl_log(x));
}

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

/* x = quarter * pi/2 + r with |r| <= pi/4; pi/2 in three parts (Cody and Waite). */
static double sin_quarter(double x, int quarter) {
  if (!(fabs(x) < 1e9)) return NAN;
  double k = floor(x * 0.6366197723675814 + 0.5);
  double r = ((x - k * 0x1.921fb544p+0) - k * 0x1.0b4611a6p-34) - k * 0x1.3198a2e037073p-69;
  switch (((int64_t)k + quarter) & 3) {
    case 0: return sin_polynomial(r);
    case 1: return cos_polynomial(r);
    case 2: return -sin_polynomial(r);
    default: return -cos_polynomial(r);
  }
}

double pl_sin(double x) { return sin_quarter(x, 0); }
double pl_cos(double x) { return sin_quarter(x, 1); }

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
