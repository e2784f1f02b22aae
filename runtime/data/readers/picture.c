/* Pictures as bytes of one size and one number of channels. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "data/readers/picture.h"
#include "data/readers/source.h"
#include "perilune/threads.h"

pl_status pl_picture_check(int64_t height, int64_t width, int channels, pl_error *err) {
  enum { SIDE_MOST = 65536 };
  if (channels != 1 && channels != 3)
    return pl_error_set(err, PL_ERROR_VALUE, "a picture has 1 channel (gray) or 3 (colours), got %d", channels);
  if (height == 0 && width == 0) return PL_OK;
  if (height >= 1 && height <= SIDE_MOST && width >= 1 && width <= SIDE_MOST) return PL_OK;
  return pl_error_set(err, PL_ERROR_VALUE, "a picture has 1 to %d rows and columns, got %lld x %lld", SIDE_MOST,
                      (long long)height, (long long)width);
}

static void close_picture(pl_picture *p) {
  pl_free(p->file);
  pl_free(p->pixels);
  p->file = p->pixels = NULL;
}

/* Reads the file and what its header says; on success it is to be closed. */
static pl_status open_picture(pl_picture *p, const char *path, pl_error *err) {
  pl_source s;
  *p = (pl_picture){ .path = path };
  pl_status status = pl_source_open(&s, path, err);
  if (status) return status;
  p->size = (size_t)s.length;
  p->file = pl_alloc(p->size, err);
  status = p->file ? pl_source_read_at(&s, 0, p->file, p->size, err) : PL_ERROR_MEMORY;
  pl_source_close(&s);
  if (status == PL_OK) {
    if (pl_png_is(p->file, p->size)) {
      if ((status = pl_png_load(err)) == PL_OK) status = pl_png_head(p, err);
    } else if (pl_jpeg_is(p->file, p->size)) {
      if ((status = pl_jpeg_load(err)) == PL_OK) status = pl_jpeg_head(p, err);
    } else status = pl_error_set(err, PL_ERROR_CORRUPT, "%s is neither a PNG nor a JPEG picture", path);
  }
  if (status == PL_OK && (p->height < 1 || p->width < 1 || p->height > PICTURE_SIDE_MOST ||
                          p->width > PICTURE_SIDE_MOST || p->height * p->width > PICTURE_PIXELS_MOST))
    status = pl_error_set(err, PL_ERROR_CORRUPT, "%s has %lld x %lld pixels; at most %d are read", path,
                          (long long)p->width, (long long)p->height, PICTURE_PIXELS_MOST);
  if (status) close_picture(p);
  return status;
}

static uint8_t over_white(int value, int alpha) { return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255); }

/* One pixel of the file's channels as one of those wanted. */
static void convert(uint8_t *out, int wanted, const uint8_t *in, int channels) {
  uint8_t rgb[3];
  bool coloured = channels >= 3;
  for (int c = 0; c < 3; c++) {
    rgb[c] = in[coloured ? c : 0];
    if (channels == 2 || channels == 4) rgb[c] = over_white(rgb[c], in[channels - 1]);
  }
  if (wanted == 3) memcpy(out, rgb, 3);
  else *out = coloured ? (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16) : rgb[0];
}

/* Decodes an opened picture: *out (free with pl_free) is [height, width, wanted]. */
static pl_status decode(pl_picture *p, int wanted, uint8_t **out, pl_error *err) {
  size_t pixels = (size_t)(p->height * p->width);
  p->pixels = pl_alloc_array(pixels, (size_t)p->channels, err);
  if (p->pixels == NULL) return PL_ERROR_MEMORY;
  pl_status status = pl_png_is(p->file, p->size) ? pl_png_pixels(p, err) : pl_jpeg_pixels(p, err);
  if (status) return status;
  if (p->channels == wanted) {
    *out = p->pixels;
    p->pixels = NULL;
    return PL_OK;
  }
  if ((*out = pl_alloc_array(pixels, (size_t)wanted, err)) == NULL) return PL_ERROR_MEMORY;
  for (size_t i = 0; i < pixels; i++)
    convert(*out + i * (size_t)wanted, wanted, p->pixels + i * (size_t)p->channels, p->channels);
  return PL_OK;
}

pl_status pl_picture_info(const char *path, int64_t *height, int64_t *width, pl_error *err) {
  pl_picture p;
  pl_status status = open_picture(&p, path, err);
  if (status) return status;
  *height = p.height;
  *width = p.width;
  close_picture(&p);
  return PL_OK;
}

/* Into `out` [height, width, channels]; exact: a picture of another size is an error. */
pl_status pl_picture_into(uint8_t *out, const char *path, int64_t height, int64_t width, bool exact, int channels,
                          pl_error *err) {
  pl_picture p;
  uint8_t *pixels = NULL;
  pl_status status = open_picture(&p, path, err);
  if (status) return status;
  bool same = p.height == height && p.width == width;
  if (exact && !same)
    status = pl_error_set(err, PL_ERROR_CORRUPT, "%s has %lld x %lld pixels, and the first picture %lld x %lld; say "
                          "which size = { height, width } all are to have", path, (long long)p.width,
                          (long long)p.height, (long long)width, (long long)height);
  if (status == PL_OK) status = decode(&p, channels, &pixels, err);
  if (status == PL_OK) {
    if (same) memcpy(out, pixels, (size_t)(height * width) * (size_t)channels);
    else status = pl_resize_picture(out, height, width, pixels, p.height, p.width, channels, err);
  }
  pl_free(pixels);
  close_picture(&p);
  return status;
}

pl_tensor *pl_picture_read(const char *path, int channels, pl_error *err) {
  int64_t height, width;
  if (pl_picture_check(0, 0, channels, err) || pl_picture_info(path, &height, &width, err)) return NULL;
  pl_shape shape = { 3, { height, width, channels } };
  pl_tensor *t = pl_tensor_new(PL_U8, &shape, err);
  if (t != NULL && pl_picture_into(pl_tensor_data(t), path, height, width, true, channels, err)) {
    pl_tensor_free(t);
    t = NULL;
  }
  return t;
}

typedef struct reading {
  const char *const *paths;
  uint8_t *out;
  size_t n, bytes;
  int64_t height, width;
  int channels;
  bool exact;
  atomic_size_t next;
  pthread_mutex_t lock;       /* of what follows */
  size_t failed;              /* the first picture that cannot be read; n: none */
  pl_error err;
} reading;

static void read_some(const pl_team *team, void *arg) {
  reading *r = arg;
  (void)team;
  for (;;) {
    size_t i = atomic_fetch_add(&r->next, 1);
    pl_error err;
    if (i >= r->n) return;
    uint8_t *out = r->out + i * r->bytes;
    if (pl_picture_into(out, r->paths[i], r->height, r->width, r->exact, r->channels, &err) == PL_OK) continue;
    atomic_store(&r->next, r->n);   /* those before it are taken already */
    pthread_mutex_lock(&r->lock);
    if (i < r->failed) {
      r->failed = i;
      r->err = err;
    }
    pthread_mutex_unlock(&r->lock);
  }
}

pl_status pl_picture_libraries(const char *const *paths, size_t n, pl_error *err) {
  bool png = false, jpeg = false;
  for (size_t i = 0; i < n && !(png && jpeg); i++) {
    size_t length = strlen(paths[i]);
    if (length >= 4 && strcasecmp(paths[i] + length - 4, ".png") == 0) png = true;
    else jpeg = true;
  }
  /* A file may be of another format than its name says: the other library is then loaded if it is there. */
  pl_status status = png ? pl_png_load(err) : PL_OK;
  if (status == PL_OK && jpeg) status = pl_jpeg_load(err);
  if (status == PL_OK && !png) pl_png_load(NULL);
  if (status == PL_OK && !jpeg) pl_jpeg_load(NULL);
  return status;
}

pl_tensor *pl_pictures_read(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                            pl_error *err) {
  bool exact = height == 0;
  if (n == 0) {
    pl_error_set(err, PL_ERROR_VALUE, "there are no pictures");
    return NULL;
  }
  if (pl_picture_check(height, width, channels, err) || pl_picture_libraries(paths, n, err) ||
      (exact && pl_picture_info(paths[0], &height, &width, err))) return NULL;
  pl_shape shape = { 4, { (int64_t)n, height, width, channels } };
  pl_tensor *t = pl_tensor_new(PL_U8, &shape, err);
  if (t == NULL) return NULL;
  reading r = { .paths = paths, .out = pl_tensor_data(t), .n = n, .height = height, .width = width, .exact = exact,
                .bytes = (size_t)(height * width) * (size_t)channels, .channels = channels, .failed = n,
                .lock = PTHREAD_MUTEX_INITIALIZER };
  pl_threads_run_on(pl_threads_for(1e4 * (double)n), read_some, &r);
  if (r.failed == n) return t;
  if (err != NULL) *err = r.err;
  pl_tensor_free(t);
  return NULL;
}
