/* Bilinear resizing of images. Output pixel o looks at s = (o + 1/2) in/out - 1/2, clamped to [0, in - 1], and mixes
   the pixels floor(s) and floor(s) + 1 by the fraction of s: in the height, then in the width. */
#include <math.h>
#include <string.h>
#include "data/dataset.h"
#include "perilune/alloc.h"

typedef struct tap {
  int64_t low, high;
  double fraction;   /* of `high` */
} tap;

typedef struct resizing {
  const pl_dataset *ds;
  pl_tensor *out;                     /* [count, height, width, channels] */
  const tap *rows, *columns;
} resizing;

static void make_taps(tap *taps, int64_t out, int64_t in) {
  for (int64_t o = 0; o < out; o++) {
    double s = ((double)o + 0.5) * (double)in / (double)out - 0.5, most = (double)(in - 1);
    s = s < 0 ? 0 : s > most ? most : s;
    taps[o].low = (int64_t)floor(s);
    taps[o].high = taps[o].low + 1 < in ? taps[o].low + 1 : in - 1;
    taps[o].fraction = s - floor(s);
  }
}

static double at(const void *image, bool bytes, int64_t i) {
  return bytes ? ((const uint8_t *)image)[i] : (double)((const float *)image)[i];
}

typedef struct size { int64_t height, width, channels; } size;

static void resize_one(void *out, size to, const void *in, size from, bool bytes, const tap *rows, const tap *columns) {
  int64_t o = 0, width = from.width, channels = from.channels;
  for (int64_t y = 0; y < to.height; y++) {
    for (int64_t x = 0; x < to.width; x++) {
      const tap *v = &rows[y], *h = &columns[x];
      for (int64_t c = 0; c < channels; c++, o++) {
        double a = at(in, bytes, (v->low * width + h->low) * channels + c),
        b = at(in, bytes, (v->low * width + h->high) * channels + c);
        double d = at(in, bytes, (v->high * width + h->low) * channels + c),
          e = at(in, bytes, (v->high * width + h->high) * channels + c);
        double top = a + (b - a) * h->fraction, bottom = d + (e - d) * h->fraction;
        double value = top + (bottom - top) * v->fraction;
        if (bytes) ((uint8_t *)out)[o] = (uint8_t)floor(value + 0.5);
        else ((float *)out)[o] = (float)value;
      }
    }
  }
}

static void resize_images(const pl_team *team, void *arg) {
  const resizing *r = arg;
  const int64_t *from_size = pl_tensor_shape(r->ds->samples)->size, *to_size = pl_tensor_shape(r->out)->size;
  size in = { from_size[1], from_size[2], from_size[3] }, out = { to_size[1], to_size[2], to_size[3] };
  bool bytes = pl_tensor_type(r->out) == PL_U8;
  size_t unit = pl_dtype_size(pl_tensor_type(r->out)), from, to;
  size_t in_bytes = (size_t)(in.height * in.width * in.channels) * unit;
  size_t out_bytes = (size_t)(out.height * out.width * out.channels) * unit;
  pl_team_share(team, r->ds->count, 1, &from, &to);
  for (size_t i = from; i < to; i++)
    resize_one((char *)pl_tensor_data(r->out) + i * out_bytes, out,
               (const char *)pl_tensor_data(r->ds->samples) + (size_t)r->ds->rows[i] * in_bytes, in, bytes, r->rows,
               r->columns);
}

pl_status pl_resize_picture(uint8_t *out, int64_t height, int64_t width, const uint8_t *in, int64_t in_height,
                            int64_t in_width, int64_t channels, pl_error *err) {
  tap *rows = pl_alloc_array((size_t)height, sizeof *rows, err),
    *columns = pl_alloc_array((size_t)width, sizeof *columns, err);
  bool ok = rows != NULL && columns != NULL;
  if (ok) {
    make_taps(rows, height, in_height);
    make_taps(columns, width, in_width);
    resize_one(out, (size){ height, width, channels }, in, (size){ in_height, in_width, channels }, true, rows,
               columns);
  }
  pl_free(rows);
  pl_free(columns);
  return ok ? PL_OK : PL_ERROR_MEMORY;
}

/* The rows of `t` that the data set shows, one after the other. */
static pl_tensor *compact(const pl_dataset *ds, const pl_tensor *t, pl_error *err) {
  pl_shape shape = *pl_tensor_shape(t);
  size_t bytes = (size_t)(pl_tensor_count(t) / shape.size[0]) * pl_dtype_size(pl_tensor_type(t));
  shape.size[0] = (int64_t)ds->count;
  pl_tensor *out = pl_tensor_new(pl_tensor_type(t), &shape, err);
  if (out == NULL) return NULL;
  for (size_t i = 0; i < ds->count; i++)
    memcpy((char *)pl_tensor_data(out) + i * bytes, (const char *)pl_tensor_data(t) + ds->rows[i] * bytes, bytes);
  return out;
}

/* Replaces *slot by the tensor made of it; false when there is none. */
static bool put(pl_tensor **slot, pl_tensor *t) {
  if (t == NULL) return false;
  pl_tensor_free(*slot);
  *slot = t;
  return true;
}

static bool compact_targets(pl_dataset *out, const pl_dataset *ds, pl_error *err) {
  return (ds->labels == NULL || put(&out->labels, compact(ds, ds->labels, err))) &&
         (ds->targets == NULL || put(&out->targets, compact(ds, ds->targets, err)));
}

static bool by_element(const pl_tensor *t) { return t != NULL && pl_tensor_count(t) != 1; }

pl_dataset *pl_dataset_resize(const pl_dataset *ds, int64_t height, int64_t width, pl_error *err) {
  pl_shape shape = *pl_tensor_shape(ds->samples);
  char text[PL_SHAPE_TEXT];
  if (shape.axes != 4) {
    pl_shape sample = pl_dataset_shape(ds);
    pl_error_set(err, PL_ERROR_SHAPE, "only images [H, W, C] can be resized; these samples are %s",
                 pl_shape_text(text, &sample, false));
    return NULL;
  }
  if (ds->stream != NULL) {
    pl_error_set(err, PL_ERROR_STATE, "a streamed data set is not resized: its samples stay in their files; "
                                      "data.images takes size = { height, width }");
    return NULL;
  }
  if (height < 1 || width < 1 || height > 65536 || width > 65536) {
    pl_error_set(err, PL_ERROR_VALUE, "images are resized to 1 to 65536 pixels, got %lld x %lld", (long long)height,
                 (long long)width);
    return NULL;
  }
  if (by_element(ds->mean) || by_element(ds->std)) {
    pl_error_set(err, PL_ERROR_STATE, "resize before standardizing pixel by pixel: the mean image has the old size");
    return NULL;
  }
  tap *rows = pl_alloc_array((size_t)height, sizeof *rows, err),
    *columns = pl_alloc_array((size_t)width, sizeof *columns, err);
  pl_dataset *out = pl_dataset_like(ds, ds->count, err);
  pl_tensor *images = NULL;
  if (rows == NULL || columns == NULL || out == NULL) goto fail;
  make_taps(rows, height, shape.size[1]);
  make_taps(columns, width, shape.size[2]);
  shape.size[0] = (int64_t)ds->count;
  shape.size[1] = height;
  shape.size[2] = width;
  if ((images = pl_tensor_new(pl_tensor_type(ds->samples), &shape, err)) == NULL) goto fail;
  if (!compact_targets(out, ds, err)) goto fail;
  pl_threads_run_on(pl_threads_for(8.0 * (double)pl_shape_count(&shape)), resize_images,
                    &(resizing){ ds, images, rows, columns });
  put(&out->samples, images);
  pl_epoch_order(out->rows, out->count, 0, 0, false);
  pl_free(rows);
  pl_free(columns);
  return out;
fail:
  pl_free(rows);
  pl_free(columns);
  pl_tensor_free(images);
  pl_dataset_free(out);
  return NULL;
}
