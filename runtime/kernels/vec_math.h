/* Elementary functions of a vector, in fused multiply-adds only: the same bits on every width. */
#ifndef KERNELS_VEC_MATH_H
#define KERNELS_VEC_MATH_H

#include "kernels/vec.h"

/* e^x, relative error below 1.2e-7 (2.4e-7 on the baseline path, which rounds each product) where the result is a
   normal number; 0 below -87.33, infinity above 88.72, NaN of NaN.
   x = k ln 2 + r, |r| <= ln(2)/2, ln 2 in two parts (Cody and Waite: the first has so few bits that k times it is
   exact); e^r by Taylor to the seventh power (the first term left out is below 6e-9); times 2^k in two steps, since
   k = 128 has no float of its own. */
static inline vf vf_exp(vf x) {
  const vf low = vf_set(-0x1.5d589ep6f), high = vf_set(0x1.62e42ep6f);
  vf t = vf_greater(low, x, low, x);
  t = vf_greater(t, high, high, t);
  vf k = vf_round(t * vf_set(0x1.715476p0f));
  vf r = vf_fma(k, vf_set(-0x1.63p-1f), t);
  r = vf_fma(k, vf_set(0x1.bd0106p-13f), r);
  vf p = vf_set(1.0f / 5040);
  p = vf_fma(p, r, vf_set(1.0f / 720));
  p = vf_fma(p, r, vf_set(1.0f / 120));
  p = vf_fma(p, r, vf_set(1.0f / 24));
  p = vf_fma(p, r, vf_set(1.0f / 6));
  p = vf_fma(p, r, vf_set(0.5f));
  p = vf_fma(p, r, vf_set(1));
  p = vf_fma(p, r, vf_set(1));
  vf half = vf_round(k * vf_set(0.5f));
  p = p * vf_pow2(half) * vf_pow2(k - half);
  p = vf_greater(low, x, vf_set(0), p);
  return vf_greater(x, high, vf_set(__builtin_inff()), p);
}

/* e^x - 1 for x in [-30, 88], relative error below 2e-7, also next to 0; -1 below -17.4; NaN of NaN.
   With x = k ln 2 + r as above and q = e^r - 1 = r + r^2/2! + ... + r^8/8!:  e^x - 1 = 2^k q + (2^k - 1). */
static inline vf vf_expm1_within(vf x) {
  vf k = vf_round(x * vf_set(0x1.715476p0f));
  vf r = vf_fma(k, vf_set(-0x1.63p-1f), x);
  r = vf_fma(k, vf_set(0x1.bd0106p-13f), r);
  vf p = vf_set(1.0f / 40320);
  p = vf_fma(p, r, vf_set(1.0f / 5040));
  p = vf_fma(p, r, vf_set(1.0f / 720));
  p = vf_fma(p, r, vf_set(1.0f / 120));
  p = vf_fma(p, r, vf_set(1.0f / 24));
  p = vf_fma(p, r, vf_set(1.0f / 6));
  p = vf_fma(p, r, vf_set(0.5f));
  p = vf_fma(p, r * r, r);
  vf power = vf_pow2(k);
  return vf_fma(p, power, power - vf_set(1));
}

/* The same for all x; x above 88 counts as 88. */
static inline vf vf_expm1(vf x) {
  const vf low = vf_set(-30), high = vf_set(88);
  x = vf_greater(low, x, low, x);
  return vf_expm1_within(vf_greater(x, high, high, x));
}

/* |x| */
static inline vf vf_absolute(vf x) { return (vf)((vu)x & vu_set(0x7fffffffu)); }

/* The natural logarithm, relative error below 1.2e-7, also next to 1; -infinity of 0 (and of what is flushed to it),
   NaN below 0 and of NaN.
   x = 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2), read from the bits of x. With s = f/(2 + f), so that |s| < 0.172:
   log(1 + f) = 2 artanh(s) = 2s + s R,  R = 2/3 s^2 + 2/5 s^4 + ... (the first term left out is below 2e-9 of the
   sum), and since 2s = f - s f:  log(1 + f) = f - s (f - R), whose first term is exact. */
static inline vf vf_log(vf x) {
  const vf least = vf_set(0x1p-126f), most = vf_set(0x1.fffffep127f);
  vs k = (vs)((vu)x - vu_set(0x3f3504f3u)) >> 23;
  vf f = (vf)((vu)x - ((vu)k << 23)) - vf_set(1);
  vf s = f / (f + vf_set(2)), z = s * s;
  vf r = vf_set(2.0f / 9);
  r = vf_fma(r, z, vf_set(2.0f / 7));
  r = vf_fma(r, z, vf_set(2.0f / 5));
  r = vf_fma(r, z, vf_set(2.0f / 3));
  r = vf_fma(-s, vf_fma(-r, z, f), f);
  vf whole = (vf)__builtin_convertvector(k, vf_plain);
  r = vf_fma(whole, vf_set(-0x1.bd0106p-13f), r);
  r = vf_fma(whole, vf_set(0x1.63p-1f), r);
  r = vf_greater(least, x, vf_set(-__builtin_inff()), r);
  r = vf_greater(vf_set(0), x, vf_set(__builtin_nanf("")), r);
  r = vf_greater(x, most, x, r);
  return vf_equal(x, x, r, x);
}

/* tanh x = (e^2x - 1) / ((e^2x - 1) + 2), relative error below 4e-7; 1 from 10 on */
static inline vf vf_tanh(vf x) {
  const vf most = vf_set(10);
  x = vf_greater(x, most, most, x);
  x = vf_greater(-most, x, -most, x);
  vf e = vf_expm1_within(x + x);
  return e / (e + vf_set(2));
}

/* 1 / (1 + e^-x), relative error below 4e-7 where the result is a normal number */
static inline vf vf_sigmoid(vf x) { return vf_set(1) / (vf_set(1) + vf_exp(-x)); }

/* erf x = 2/sqrt(pi) (integral of e^-t^2 from 0 to x), absolute and relative error below 4e-7; 1 from 4 on.
   |x| < 1: x P(x^2); else 1 - e^Q(|x|), Q fitted to log erfc. P and Q minimise the largest relative error of erf
   (1.2e-9 and 1.1e-9 before rounding). */
static inline vf vf_erf(vf x) {
  vf t = x * x;
  vf near = vf_set(0x1.496a28p-14f);
  near = vf_fma(near, t, vf_set(-0x1.a3f6fcp-11f));
  near = vf_fma(near, t, vf_set(0x1.5405b2p-8f));
  near = vf_fma(near, t, vf_set(-0x1.b7f90cp-6f));
  near = vf_fma(near, t, vf_set(0x1.ce2cf8p-4f));
  near = vf_fma(near, t, vf_set(-0x1.81273ep-2f));
  near = vf_fma(near, t, vf_set(0x1.20dd74p+0f));
  vf a = vf_greater(x, vf_set(0), x, -x);
  a = vf_greater(a, vf_set(4), vf_set(4), a);
  vf q = vf_set(0x1.86de0cp-13f);
  q = vf_fma(q, a, vf_set(-0x1.825b4ap-9f));
  q = vf_fma(q, a, vf_set(0x1.65cb9ep-6f));
  q = vf_fma(q, a, vf_set(-0x1.a65356p-4f));
  q = vf_fma(q, a, vf_set(-0x1.46bae8p-1f));
  q = vf_fma(q, a, vf_set(-0x1.2088ecp+0f));
  q = vf_fma(q, a, vf_set(-0x1.661a16p-12f));
  vf far = vf_set(1) - vf_exp(q);
  far = vf_greater(x, vf_set(0), far, -far);
  return vf_greater(t, vf_set(1), far, x * near);
}

#endif
