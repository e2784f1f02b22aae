--- The C functions that an exported file is made of; only those that it calls go into it. C99, all sizes are arguments.
local M = {}

-- name, text, whether it needs <math.h>; in the order in which they stand in a file.
local functions = {
  { "conv2d", [[
/* x [h][w][in], weight [kh][kw][in][out], bias [out], or [oh][ow][out] where per_position, or none; y [oh][ow][out] */
static void conv2d(float *y, const float *x, int h, int w, int in, int oh, int ow, int kh, int kw, int sy, int sx,
                   int top, int left, int out, const float *weight, const float *bias, int per_position) {
  for (int oy = 0; oy < oh; oy++) {
    for (int ox = 0; ox < ow; ox++, y += out) {
      const float *b = bias && per_position ? bias + (oy * ow + ox) * out : bias;
      for (int o = 0; o < out; o++) y[o] = b ? b[o] : 0.0f;
      for (int ky = 0; ky < kh; ky++) {
        int iy = oy * sy + ky - top;
        if (iy < 0 || iy >= h) continue;
        for (int kx = 0; kx < kw; kx++) {
          int ix = ox * sx + kx - left;
          if (ix < 0 || ix >= w) continue;
          const float *from = x + (iy * w + ix) * in, *row = weight + (ky * kw + kx) * in * out;
          for (int i = 0; i < in; i++, row += out) {
            float value = from[i];
            for (int o = 0; o < out; o++) y[o] += value * row[o];
          }
        }
      }
    }
  }
}
]] },
  { "linear", [[
/* x [rows][in], weight [in][out], bias [out] or none; y [rows][out] */
static void linear(float *y, const float *x, int rows, int in, int out, const float *weight, const float *bias) {
  for (int r = 0; r < rows; r++, y += out, x += in) {
    const float *row = weight;
    for (int o = 0; o < out; o++) y[o] = bias ? bias[o] : 0.0f;
    for (int i = 0; i < in; i++, row += out) {
      float value = x[i];
      for (int o = 0; o < out; o++) y[o] += value * row[o];
    }
  }
}
]] },
  { "max_pool", [[
/* the largest in each window inside the image; a NaN stays one */
static void max_pool(float *y, const float *x, int h, int w, int channels, int oh, int ow, int kh, int kw, int sy,
                     int sx, int top, int left) {
  for (int oy = 0; oy < oh; oy++) {
    for (int ox = 0; ox < ow; ox++) {
      for (int c = 0; c < channels; c++) {
        float most = 0.0f;
        int found = 0;
        for (int iy = oy * sy - top; iy < oy * sy - top + kh; iy++) {
          for (int ix = ox * sx - left; ix < ox * sx - left + kw; ix++) {
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
            float value = x[(iy * w + ix) * channels + c];
            if (!found || value > most || value != value) most = value;
            found = 1;
          }
        }
        *y++ = most;
      }
    }
  }
}
]] },
  { "average_pool", [[
/* the mean of each window: of kh kw values, zeros outside included, or of those inside the image */
static void average_pool(float *y, const float *x, int h, int w, int channels, int oh, int ow, int kh, int kw, int sy,
                         int sx, int top, int left, int count_include_pad) {
  for (int oy = 0; oy < oh; oy++) {
    for (int ox = 0; ox < ow; ox++) {
      for (int c = 0; c < channels; c++) {
        float sum = 0.0f;
        int count = 0;
        for (int iy = oy * sy - top; iy < oy * sy - top + kh; iy++) {
          for (int ix = ox * sx - left; ix < ox * sx - left + kw; ix++) {
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
            sum += x[(iy * w + ix) * channels + c];
            count++;
          }
        }
        *y++ = sum / (float)(count_include_pad ? kh * kw : count);
      }
    }
  }
}
]] },
  { "global_average_pool", [[
static void global_average_pool(float *y, const float *x, int pixels, int channels) {
  for (int c = 0; c < channels; c++) {
    float sum = 0.0f;
    for (int p = 0; p < pixels; p++) sum += x[p * channels + c];
    y[c] = sum / (float)pixels;
  }
}
]] },
  { "batch_norm", [[
static void batch_norm(float *y, const float *x, int rows, int cols, const float *scale, const float *shift) {
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < cols; c++) y[r * cols + c] = x[r * cols + c] * scale[c] + shift[c];
  }
}
]] },
  { "relu", [[
static void relu(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}
]] },
  { "leaky_relu", [[
static void leaky_relu(float *y, const float *x, int n, float slope) {
  for (int i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}
]] },
  { "elu", [[
static void elu(float *y, const float *x, int n, float alpha) {
  for (int i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : alpha * expm1f(x[i]);
}
]], true },
  { "hyperbolic_tangent", [[
static void hyperbolic_tangent(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = tanhf(x[i]);
}
]], true },
  { "sigmoid", [[
static void sigmoid(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = 1.0f / (1.0f + expf(-x[i]));
}
]], true },
  { "silu", [[
static void silu(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = x[i] / (1.0f + expf(-x[i]));
}
]], true },
  { "mish", [[
/* x tanh(ln(1 + e^x)) */
static void mish(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = x[i] * tanhf(x[i] > 20.0f ? x[i] : log1pf(expf(x[i])));
}
]], true },
  { "gelu", [[
static void gelu(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}
]], true },
  { "gelu_tanh", [[
static void gelu_tanh(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) {
    float v = x[i];
    y[i] = 0.5f * v * (1.0f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
  }
}
]], true },
  { "softmax", [[
static void softmax(float *y, const float *x, int rows, int cols) {
  for (int r = 0; r < rows; r++, y += cols, x += cols) {
    float most = x[0], sum = 0.0f;
    for (int c = 1; c < cols; c++) most = x[c] > most ? x[c] : most;
    for (int c = 0; c < cols; c++) sum += y[c] = expf(x[c] - most);
    for (int c = 0; c < cols; c++) y[c] /= sum;
  }
}
]], true },
  { "log_softmax", [[
static void log_softmax(float *y, const float *x, int rows, int cols) {
  for (int r = 0; r < rows; r++, y += cols, x += cols) {
    float most = x[0], sum = 0.0f;
    for (int c = 1; c < cols; c++) most = x[c] > most ? x[c] : most;
    for (int c = 0; c < cols; c++) sum += expf(x[c] - most);
    sum = logf(sum);
    for (int c = 0; c < cols; c++) y[c] = x[c] - most - sum;
  }
}
]], true },
  { "add", [[
static void add(float *y, const float *a, const float *b, int n) {
  for (int i = 0; i < n; i++) y[i] = a[i] + b[i];
}
]] },
  { "copy", [[
static void copy(float *y, const float *x, int n) {
  for (int i = 0; i < n; i++) y[i] = x[i];
}
]] },
}

--- The headers that these functions (name -> true) need. NAN and INFINITY, which damaged weights may hold, are in
--- <math.h>, too.
function M.headers(used)
  for _, f in ipairs(functions) do
    if used[f[1]] and f[3] then return "#include <math.h>\n\n" end
  end
  return (used.not_finite or used.mathematics) and "#include <math.h>\n\n" or "\n"
end

--- The names of all: name -> true.
function M.names()
  local names = {}
  for _, f in ipairs(functions) do names[f[1]] = true end
  return names
end

--- Their text, in order.
function M.text(used)
  local out = {}
  for _, f in ipairs(functions) do
    if used[f[1]] then out[#out + 1] = "\n" .. f[2] end
  end
  return table.concat(out)
end

return M
