/* Pictures that stay in their files until they are needed. */
#include <string.h>
#include "data/readers/picture.h"
#include "data/stream.h"

typedef struct picture_stream {
  pl_stream stream;
  char *text;                  /* the paths, one after the other */
  const char **paths;
  int64_t height, width;
  int channels;
  bool exact;
} picture_stream;

static pl_status read_picture(pl_stream *s, void *out, const uint32_t *rows, size_t n, size_t *done, pl_error *err) {
  const picture_stream *p = (const picture_stream *)s;
  (void)n;
  *done = 1;
  return pl_picture_into(out, p->paths[rows[0]], p->height, p->width, p->exact, p->channels, err);
}

static void free_pictures(pl_stream *s) {
  picture_stream *p = (picture_stream *)s;
  pl_free(p->text);
  pl_free(p->paths);
  pl_free(p);
}

pl_stream *pl_stream_pictures(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                              pl_error *err) {
  bool exact = height == 0;
  size_t bytes = 0;
  if (n == 0) {
    pl_error_set(err, PL_ERROR_VALUE, "there are no pictures");
    return NULL;
  }
  if (pl_picture_check(height, width, channels, err) || pl_picture_libraries(paths, n, err) ||
      (exact && pl_picture_info(paths[0], &height, &width, err))) return NULL;
  picture_stream *p = pl_alloc(sizeof *p, err);
  if (p == NULL) return NULL;
  for (size_t i = 0; i < n; i++) bytes += strlen(paths[i]) + 1;
  p->text = pl_alloc(bytes, err);
  p->paths = pl_alloc_array(n, sizeof *p->paths, err);
  if (p->text == NULL || p->paths == NULL) {
    free_pictures(&p->stream);
    return NULL;
  }
  char *at = p->text;
  for (size_t i = 0; i < n; i++) {
    p->paths[i] = at;
    at = stpcpy(at, paths[i]) + 1;
  }
  p->height = height, p->width = width, p->channels = channels, p->exact = exact;
  p->stream.read = read_picture;
  p->stream.free = free_pictures;
  pl_stream_init(&p->stream, PL_U8, (size_t)(height * width) * (size_t)channels, 1);
  return &p->stream;
}

pl_tensor *pl_stream_read_all(pl_stream *s, const pl_array_info *info, pl_error *err) {
  enum { AT_ONCE = 4096 };
  uint32_t rows[AT_ONCE];
  pl_tensor *t = pl_tensor_new(info->type, &info->shape, err);
  size_t count = info->shape.axes ? (size_t)info->shape.size[0] : 0;
  pl_status status = t ? PL_OK : PL_ERROR_MEMORY;
  for (size_t from = 0; from < count && status == PL_OK; from += AT_ONCE) {
    size_t n = count - from < AT_ONCE ? count - from : AT_ONCE;
    for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)(from + i);
    status = pl_stream_read_rows(s, (char *)pl_tensor_data(t) + from * s->row_bytes, rows, n, err);
  }
  if (status == PL_OK) return t;
  pl_tensor_free(t);
  return NULL;
}
