/* Gradient descent, with momentum when there is a slot for it:
     v <- b1 v + c1 g',   w <- decay w - (rate_m v + rate_g g')   (no slot: rate_g g' alone) */
#include "kernels/update.h"

enum { CHUNK = 256, MOST = PL_REGISTERS / 4 };   /* rows looked at together; vectors of dy in registers */

/* w[r][j] <- w[r][j] - rate_g (x[r] dy[j]) for columns in `vectors` vectors, the last of them with `last` lanes: the
   operations of `general` that can change a bit there. True if all written is finite. */
INLINE bool strip(const pl_update *u, size_t from, const int vectors, const size_t last) {
  const vf rate = vf_set(u->rate_g), one = vf_set(1), none = vf_set(0);
  const float *x = u->x;
  vf dy[8], proof[8], all = none;
  #pragma GCC unroll 8
  for (int v = 0; v < vectors; v++) {
    dy[v] = vf_read(u->dy + from + v * PL_LANES, v == vectors - 1 ? last : PL_LANES);
    proof[v] = none;
  }
  for (size_t row = 0; row < u->rows; row += CHUNK) {
    uint32_t index[CHUNK + 16];
    size_t most = u->rows - row < CHUNK ? u->rows - row : CHUNK;
    size_t count = u->unchanged ? PL_KERNEL(nonzero)(index, x + row, 1, most, most) : most;
    for (size_t r = 0; !u->unchanged && r < most; r++) index[r] = (uint32_t)r;
    for (size_t t = 0; t < count; t++) {
      float *w = u->w + (row + index[t]) * u->stride + from;
      vf a = vf_set(x[row + index[t]]);
      #pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) {
        const size_t n = v == vectors - 1 ? last : PL_LANES;
        vf moved = vf_fma(one, vf_read(w + v * PL_LANES, n), -(rate * vf_fma(a, dy[v], none)));
        proof[v] = vf_fma(moved, none, proof[v]);
        vf_write(w + v * PL_LANES, moved, n);
      }
    }
  }
  #pragma GCC unroll 8
  for (int v = 0; v < vectors; v++) all = all + proof[v];
  return vf_is_zero(all);
}

#define PART(k) case k: finite = strip(u, from, k, last) && finite; break;

/* An outer product without momentum, clipping, decay or scaling. */
static bool plain(const pl_update *u) {
  bool finite = true;
  for (size_t from = 0; from < u->count; from += MOST * PL_LANES) {
    size_t now = u->count - from < MOST * PL_LANES ? u->count - from : MOST * PL_LANES, last = (now - 1) % PL_LANES + 1;
    if (now == MOST * PL_LANES) {
      finite = strip(u, from, MOST, PL_LANES) && finite;
    } else {
      switch ((now + PL_LANES - 1) / PL_LANES) {
        PART(1) PART(2) PART(3) PART(4) PART(5) PART(6) PART(7) PART(8)
        default: break;
      }
    }
  }
  return finite;
}

static bool general(const pl_update *update) {
  UPDATE_EACH(update, {
    UPDATE_BEGIN
    vf step = vf_set(u.rate_g) * g;
    if (u.slot[0] != NULL)
      step = update_direction(&u, update_average(u.slot[0] + i, n, u.beta1, u.one_minus_beta1, g), g);
    UPDATE_WEIGHTS(step);
  });
}

bool PL_KERNEL(sgd)(const pl_update *u) {
  bool is_plain = u->g == NULL && u->slot[0] == NULL && u->scale == 1 && u->limit == INFINITY && u->l2 == 0 &&
                  u->weight_decay_factor == 1;
  return is_plain ? plain(u) : general(u);
}
