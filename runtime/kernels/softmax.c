/* Softmax along rows of a matrix, and its logarithm. With m the largest of a row nothing overflows:
   y_j = e^(x_j - m) / sum over k of e^(x_k - m). NaN anywhere makes a whole row NaN. */
#include "kernels/kernels.h"
#include "kernels/vec_math.h"
#include "perilune/math.h"

/* On every width: element j belongs to chain j mod 16; the chains are then added in halves. */
enum { CHAINS = 16, VECTORS = CHAINS / PL_LANES };

static inline float row_sum(const float *a, size_t n) {
  vf sum[VECTORS];
  float chain[CHAINS];
  size_t j = 0;
  for (size_t v = 0; v < VECTORS; v++) sum[v] = vf_set(0);
  for (; j + CHAINS <= n; j += CHAINS) {
    for (size_t v = 0; v < VECTORS; v++) sum[v] += vf_load(a + j + v * PL_LANES);
  }
  for (size_t v = 0; j < n; j += PL_LANES, v++) sum[v] += vf_read(a + j, n - j < PL_LANES ? n - j : PL_LANES);
  for (size_t v = 0; v < VECTORS; v++) vf_store(chain + v * PL_LANES, sum[v]);
  for (size_t half = CHAINS / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; l++) chain[l] += chain[l + half];
  }
  return chain[0];
}

static float row_max(const float *a, size_t n) {
  float most = a[0];
  for (size_t j = 1; j < n; j++) most = a[j] > most ? a[j] : most;
  return most;
}

/* `body` for each vector at j, of which PART lanes exist. */
#define EACH_VECTOR(n, body) do { \
  size_t j = 0; \
  for (; j + PL_LANES <= (n); j += PL_LANES) { enum { PART = PL_LANES }; body } \
  if (j < (n)) { const size_t PART = (n) - j; body } \
} while (0)

void PL_KERNEL(softmax_forward)(float *y, const float *x, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, y += cols, x += cols) {
    vf most = vf_set(row_max(x, cols));
    EACH_VECTOR(cols, vf_write(y + j, vf_exp(vf_read(x + j, PART) - most), PART););
    vf sum = vf_set(row_sum(y, cols));
    EACH_VECTOR(cols, vf_write(y + j, vf_read(y + j, PART) / sum, PART););
  }
}

/* y = softmax(x)  gives  dx_j = y_j (dy_j - sum over k of dy_k y_k) */
void PL_KERNEL(softmax_backward)(float *dx, const float *y, const float *dy, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, dx += cols, y += cols, dy += cols) {
    EACH_VECTOR(cols, vf_write(dx + j, vf_read(y + j, PART) * vf_read(dy + j, PART), PART););
    vf sum = vf_set(row_sum(dx, cols));
    EACH_VECTOR(cols, vf_write(dx + j, vf_fma(-sum, vf_read(y + j, PART), vf_read(dx + j, PART)), PART););
  }
}

void PL_KERNEL(log_softmax_forward)(float *y, const float *x, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, y += cols, x += cols) {
    vf most = vf_set(row_max(x, cols));
    EACH_VECTOR(cols, vf_write(y + j, vf_exp(vf_read(x + j, PART) - most), PART););
    vf log_sum = vf_set((float)pl_log((double)row_sum(y, cols)));
    EACH_VECTOR(cols, vf_write(y + j, vf_read(x + j, PART) - most - log_sum, PART););
  }
}

/* y = log softmax(x)  gives  dx_j = dy_j - e^(y_j) sum over k of dy_k */
void PL_KERNEL(log_softmax_backward)(float *dx, const float *y, const float *dy, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++, dx += cols, y += cols, dy += cols) {
    vf sum = vf_set(row_sum(dy, cols));
    EACH_VECTOR(cols, vf_write(dx + j, vf_fma(-sum, vf_exp(vf_read(y + j, PART)), vf_read(dy + j, PART)), PART););
  }
}
