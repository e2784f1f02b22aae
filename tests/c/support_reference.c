#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "support_reference.h"

static const cJSON *field(const cJSON *config, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, name);
  if (item == NULL) {
    fprintf(stderr, "no option %s\n", name);
    abort();
  }
  return item;
}

static double number(const cJSON *config, const char *name) { return field(config, name)->valuedouble; }
static int two(const cJSON *config, const char *name, int i) {
  return cJSON_GetArrayItem(field(config, name), i)->valueint;
}
static bool is(const cJSON *config, const char *name, const char *word) {
  const cJSON *item = field(config, name);
  return cJSON_IsString(item) && strcmp(item->valuestring, word) == 0;
}

/* A parameter of a layer in double: trained ones from the reference's block, states as they are. NULL: it has none. */
static double *param(const reference *r, const pl_layer *layer, const char *name) {
  for (int i = 0; i < pl_layer_params(layer); i++) {
    if (strcmp(pl_layer_param_name(layer, i), name)) continue;
    size_t n = (size_t)pl_shape_count(pl_layer_param_shape(layer, i));
    const float *value = pl_layer_param_value(layer, i);
    double *copy = malloc(n * sizeof *copy);
    for (size_t k = 0; k < n; k++)
      copy[k] = pl_layer_param_trained(layer, i) ? r->doubles[value - r->floats + (ptrdiff_t)k] : (double)value[k];
    return copy;
  }
  return NULL;
}

static double *room(size_t n, const pl_shape *shape) {
  return calloc(n * (size_t)pl_shape_count(shape), sizeof(double));
}

static double *linear(const reference *r, const pl_layer *layer, const cJSON *config, size_t n, const pl_shape *in,
                      const double *x, pl_shape *out) {
  size_t from = (size_t)number(config, "in"), to = (size_t)number(config, "out");
  *out = *in;
  out->size[in->axes - 1] = (int64_t)to;
  double *y = room(n, out), *w = param(r, layer, "weight"), *b = param(r, layer, "bias");
  size_t rows = n * (size_t)pl_shape_count(in) / from;
  for (size_t i = 0; i < rows; i++) {
    for (size_t o = 0; o < to; o++) {
      double sum = b ? b[o] : 0;
      for (size_t k = 0; k < from; k++) sum += x[i * from + k] * w[k * to + o];
      y[i * to + o] = sum;
    }
  }
  free(w);
  free(b);
  return y;
}

/* Along one axis: number of outputs, and padding in front ("same" as in TensorFlow's definition). */
static int outputs(const cJSON *config, int axis, int size, int *front) {
  int k = two(config, "kernel", axis), s = two(config, "stride", axis);
  if (is(config, "padding", "same")) {
    int n = (size + s - 1) / s, total = (n - 1) * s + k - size;
    *front = total > 0 ? total / 2 : 0;
    return n;
  }
  *front = two(config, "padding", axis);
  return (size + 2 * *front - k) / s + 1;
}

static double *conv2d(const reference *r, const pl_layer *layer, const cJSON *config, size_t n, const pl_shape *in,
                      const double *x, pl_shape *out) {
  int h = (int)in->size[0], w = (int)in->size[1], channels = (int)in->size[2], filters = (int)number(config, "out"),
  top, left;
  int kh = two(config, "kernel", 0), kw = two(config, "kernel", 1), sy = two(config, "stride", 0),
    sx = two(config, "stride", 1);
  int oh = outputs(config, 0, h, &top), ow = outputs(config, 1, w, &left);
  bool everywhere = is(config, "bias", "per-position");
  *out = (pl_shape){ 3, { oh, ow, filters } };
  double *y = room(n, out), *weight = param(r, layer, "weight"), *bias = param(r, layer, "bias"), *at = y;
  for (int b = 0; b < (int)n; b++)
  for (int oy = 0; oy < oh; oy++) for (int ox = 0; ox < ow; ox++) for (int o = 0; o < filters; o++) {
    double sum = bias == NULL ? 0 : everywhere ? bias[(oy * ow + ox) * filters + o] : bias[o];
    for (int ky = 0; ky < kh; ky++) for (int kx = 0; kx < kw; kx++) {
      int iy = oy * sy + ky - top, ix = ox * sx + kx - left;
      if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
      for (int i = 0; i < channels; i++)
        sum += x[((b * h + iy) * w + ix) * channels + i] * weight[((ky * kw + kx) * channels + i) * filters + o];
    }
    *at++ = sum;
  }
  free(weight);
  free(bias);
  return y;
}

static double *pool(const cJSON *config, size_t n, const pl_shape *in, const double *x, pl_shape *out, bool largest) {
  int h = (int)in->size[0], w = (int)in->size[1], channels = (int)in->size[2], top, left;
  int kh = two(config, "kernel", 0), kw = two(config, "kernel", 1), sy = two(config, "stride", 0),
    sx = two(config, "stride", 1);
  int oh = outputs(config, 0, h, &top), ow = outputs(config, 1, w, &left);
  *out = (pl_shape){ 3, { oh, ow, channels } };
  double *y = room(n, out), *at = y;
  for (int b = 0; b < (int)n; b++)
  for (int oy = 0; oy < oh; oy++) for (int ox = 0; ox < ow; ox++) for (int c = 0; c < channels; c++) {
    double sum = 0, most = -INFINITY;
    int inside = 0;
    for (int ky = 0; ky < kh; ky++) for (int kx = 0; kx < kw; kx++) {
      int iy = oy * sy + ky - top, ix = ox * sx + kx - left;
      if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
      double v = x[((b * h + iy) * w + ix) * channels + c];
      sum += v;
      most = fmax(most, v);
      inside++;
    }
    *at++ = largest ? most : sum / (cJSON_IsTrue(field(config, "count_include_pad")) ? kh * kw : inside);
  }
  return y;
}

static double *global_average(size_t n, const pl_shape *in, const double *x, pl_shape *out) {
  size_t pixels = (size_t)(in->size[0] * in->size[1]), channels = (size_t)in->size[2];
  *out = (pl_shape){ 1, { (int64_t)channels } };
  double *y = room(n, out);
  for (size_t i = 0; i < n * pixels * channels; i++)
    y[i / (pixels * channels) * channels + i % channels] += x[i] / (double)pixels;
  return y;
}

static double *batch_norm(const reference *r, const pl_layer *layer, const cJSON *config, size_t n, const pl_shape *in,
                          const double *x, pl_shape *out) {
  size_t features = (size_t)number(config, "features"), rows = n * (size_t)pl_shape_count(in) / features;
  *out = *in;
  double *y = room(n, out), *weight = param(r, layer, "weight"), *bias = param(r, layer, "bias");
  double *running_mean = param(r, layer, "running_mean"), *running_var = param(r, layer, "running_var");
  for (size_t j = 0; j < features; j++) {
    double mean = 0, var = 0;
    for (size_t i = 0; i < rows; i++) mean += x[i * features + j] / (double)rows;
    for (size_t i = 0; i < rows; i++) var += pow(x[i * features + j] - mean, 2) / (double)rows;
    if (!r->training) {
      mean = running_mean[j];
      var = running_var[j];
    }
    for (size_t i = 0; i < rows; i++)
      y[i * features + j] = (x[i * features + j] - mean) / sqrt(var + number(config, "eps")) * (weight ? weight[j]
          : 1) + (bias ? bias[j] : 0);
  }
  free(weight);
  free(bias);
  free(running_mean);
  free(running_var);
  return y;
}

static double activation(const char *type, const cJSON *config, double x) {
  double half_pi = 1.5707963267948966;
  if (!strcmp(type, "ReLU")) return x > 0 ? x : 0;
  if (!strcmp(type, "LeakyReLU")) return x > 0 ? x : number(config, "slope") * x;
  if (!strcmp(type, "ELU")) return x > 0 ? x : number(config, "alpha") * expm1(x);
  if (!strcmp(type, "Tanh")) return tanh(x);
  if (!strcmp(type, "Sigmoid")) return 1 / (1 + exp(-x));
  if (!strcmp(type, "SiLU")) return x / (1 + exp(-x));
  if (!strcmp(type, "GELU") && is(config, "approximate", "none")) return x * erfc(-x / sqrt(2)) / 2;
  if (!strcmp(type, "GELU")) return x / 2 * (1 + tanh(sqrt(1 / half_pi) * (x + 0.044715 * x * x * x)));
  fprintf(stderr, "the reference knows no layer %s\n", type);
  abort();
}

static double *softmax(size_t n, const pl_shape *in, const double *x, bool logarithm) {
  size_t width = (size_t)in->size[in->axes - 1], rows = n * (size_t)pl_shape_count(in) / width;
  double *y = room(n, in);
  for (size_t i = 0; i < rows; i++) {
    double sum = 0;
    for (size_t j = 0; j < width; j++) sum += exp(x[i * width + j]);
    for (size_t j = 0; j < width; j++)
      y[i * width + j] = logarithm ? x[i * width + j] - log(sum) : exp(x[i * width + j]) / sum;
  }
  return y;
}

static double *copy_of(size_t n, const pl_shape *shape, const double *x) {
  double *y = room(n, shape);
  memcpy(y, x, n * (size_t)pl_shape_count(shape) * sizeof *y);
  return y;
}

static double *sequence(const reference *r, const pl_layer *layer, size_t n, const pl_shape *in, const double *x,
                        pl_shape *out) {
  double *y = copy_of(n, in, x);
  *out = *in;
  for (int i = 0; i < pl_layer_children(layer); i++) {
    pl_shape before = *out;
    double *next = reference_forward(r, pl_layer_child(layer, i), n, &before, y, out);
    free(y);
    y = next;
  }
  return y;
}

static double *residual(const reference *r, const pl_layer *layer, size_t n, const pl_shape *in, const double *x,
                        pl_shape *out) {
  double *y = reference_forward(r, pl_layer_child(layer, 0), n, in, x, out);
  double *other = pl_layer_children(layer) > 1 ? reference_forward(r, pl_layer_child(layer, 1), n, in, x, out)
    : copy_of(n, in, x);
  for (size_t i = 0; i < n * (size_t)pl_shape_count(out); i++) y[i] += other[i];
  free(other);
  return y;
}

double *reference_forward(const reference *r, const pl_layer *layer, size_t n, const pl_shape *in, const double *x,
                          pl_shape *out) {
  const char *type = pl_layer_type(layer);
  cJSON *config = pl_layer_config(layer);
  double *y;
  if (!strcmp(type, "Sequential")) y = sequence(r, layer, n, in, x, out);
  else if (!strcmp(type, "Residual")) y = residual(r, layer, n, in, x, out);
  else if (!strcmp(type, "Linear")) y = linear(r, layer, config, n, in, x, out);
  else if (!strcmp(type, "Conv2d")) y = conv2d(r, layer, config, n, in, x, out);
  else if (!strcmp(type, "MaxPool2d")) y = pool(config, n, in, x, out, true);
  else if (!strcmp(type, "AvgPool2d")) y = pool(config, n, in, x, out, false);
  else if (!strcmp(type, "GlobalAvgPool2d")) y = global_average(n, in, x, out);
  else if (!strcmp(type, "BatchNorm")) y = batch_norm(r, layer, config, n, in, x, out);
  else {
    *out = *in;
    if (!strcmp(type, "Flatten")) *out = (pl_shape){ 1, { pl_shape_count(in) } };
    if (!strcmp(type, "Reshape")) {
      const cJSON *shape = field(config, "shape");
      out->axes = cJSON_GetArraySize(shape);
      for (int i = 0; i < out->axes; i++) out->size[i] = cJSON_GetArrayItem(shape, i)->valueint;
    }
    if (!strcmp(type, "Softmax") || !strcmp(type, "LogSoftmax")) {
      y = softmax(n, in, x, type[0] == 'L');
    } else {
      y = copy_of(n, in, x);
      bool same = !strcmp(type, "Flatten") || !strcmp(type, "Reshape") || !strcmp(type, "Identity") ||
                  (!strcmp(type, "Dropout") && number(config, "p") == 0);
      for (size_t i = 0; !same && i < n * (size_t)pl_shape_count(in); i++) y[i] = activation(type, config, x[i]);
    }
  }
  cJSON_Delete(config);
  return y;
}
