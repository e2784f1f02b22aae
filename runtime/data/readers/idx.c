/* The IDX format of MNIST, plain or gzip (http://yann.lecun.com/exdb/mnist, "file formats"):
     bytes 0, 1: zero;  2: element type;  3: number of axes;  then one big-endian u32 an axis;  then the elements.
   The six element types become those of tensors as elements.h says.
   Nothing is believed before it is checked: the size that the header promises must be the file's length (plain), or
   one that a gzip file of that length can hold, before memory is taken for it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include "data/dataset.h"
#include "data/digest.h"
#include "data/readers/elements.h"

enum { HEAD_MOST = 4 + 4 * PL_MAX_AXES };

typedef struct idx {
  const char *path;
  gzFile file;
  int64_t length;              /* of the file as it lies there */
  bool plain;
  uint8_t head[HEAD_MOST];
  size_t head_size;
  pl_element element;
  pl_shape shape;
  size_t bytes;                /* of the elements */
  SHA2_CTX *digest, *also;     /* take the bytes as they are read; `also` may be NULL */
} idx;

/* Deflate codes at most 258 bytes in 2 bits, so a gzip file cannot expand beyond 1032 times. */
enum { MOST_EXPANSION = 1032 };

static pl_status read_problem(const idx *f, pl_error *err) {
  int code;
  const char *text = gzerror(f->file, &code);
  if (code == Z_ERRNO) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", f->path, strerror(errno));
  if (code == Z_BUF_ERROR || code == Z_OK)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is truncated (the file ends too early); fetch it again", f->path);
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged (gzip: %s); fetch it again", f->path, text);
}

/* Exactly `n` bytes. */
static pl_status read_bytes(const idx *f, uint8_t *out, size_t n, pl_error *err) {
  while (n > 0) {
    int got = gzread(f->file, out, n < 1 << 30 ? (unsigned)n : 1u << 30);
    if (got <= 0) return read_problem(f, err);
    out += got;
    n -= (size_t)got;
  }
  return PL_OK;
}

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static pl_status check_size(const idx *f, pl_error *err) {
  char text[PL_SHAPE_TEXT];
  int64_t promised = (int64_t)(f->head_size + f->bytes);
  pl_shape_text(text, &f->shape, false);
  if (f->plain && promised != f->length)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is %s: its header says %s, which is %lld bytes, and it has %lld",
                        f->path,
                        f->length < promised ? "truncated" : "damaged", text, (long long)promised,
                        (long long)f->length);
  if (!f->plain && promised / MOST_EXPANSION > f->length)
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "%s is damaged: its header says %s, which is %lld bytes, more than %lld bytes of gzip can hold",
                        f->path, text, (long long)promised, (long long)f->length);
  return PL_OK;
}

static pl_status read_head(idx *f, pl_error *err) {
  if (f->length == 0) return pl_error_set(err, PL_ERROR_CORRUPT, "%s is empty; fetch it again", f->path);
  pl_status status = read_bytes(f, f->head, 4, err);
  if (status) return status;
  f->plain = gzdirect(f->file);
  int axes = f->head[3];
  if (f->head[0] != 0 || f->head[1] != 0 || axes == 0)
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "%s is not an IDX file: it begins with %02x %02x %02x %02x, expected 00 00, a type, a "
                        "number of axes",
                        f->path, f->head[0], f->head[1], f->head[2], f->head[3]);
  static const pl_element elements[16] = {
    [0x08] = { 'u', 1, false }, [0x09] = { 'i', 1, false }, [0x0B] = { 'i', 2, false }, [0x0C] = { 'i', 4, false },
    [0x0D] = { 'f', 4, false }, [0x0E] = { 'f', 8, false },
  };
  if (f->head[2] >= 16 || elements[f->head[2]].kind == 0)
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "%s: there is no IDX element type 0x%02x; there are 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c "
                        "(i32), 0x0d (f32) and 0x0e (f64)",
                        f->path, f->head[2]);
  f->element = elements[f->head[2]];
  f->element.swapped = pl_element_order_swapped(true);
  if (axes > PL_MAX_AXES)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s has %d axes; at most %d are read", f->path, axes, PL_MAX_AXES);
  f->head_size = 4 + 4 * (size_t)axes;
  if ((status = read_bytes(f, f->head + 4, f->head_size - 4, err))) return status;
  f->shape.axes = axes;
  for (int i = 0; i < axes; i++) f->shape.size[i] = big_endian(f->head + 4 + 4 * i);
  int64_t count = pl_shape_count(&f->shape);
  char text[PL_SHAPE_TEXT];
  if (count < 0 || count > INT64_MAX / 8)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: its header says %s", f->path,
                        pl_shape_text(text, &f->shape, false));
  f->bytes = (size_t)count * f->element.size;
  return check_size(f, err);
}

static void add_to(SHA2_CTX *digest, SHA2_CTX *also, const uint8_t *bytes, size_t n) {
  pl_sha256_update(digest, bytes, n);
  if (also != NULL) pl_sha256_update(also, bytes, n);
}

static pl_status read_and_digest(void *context, uint8_t *out, size_t n, pl_error *err) {
  const idx *f = context;
  pl_status status = read_bytes(f, out, n, err);
  if (status == PL_OK) add_to(f->digest, f->also, out, n);
  return status;
}

static pl_tensor *read_elements(idx *f, pl_error *err) {
  uint8_t beyond;
  add_to(f->digest, f->also, f->head, f->head_size);
  pl_tensor *t = pl_element_read(f->path, &f->shape, f->element, read_and_digest, f, err);
  if (t == NULL) return NULL;
  int code, more = gzread(f->file, &beyond, 1);   /* also makes zlib check the sum at the end */
  gzerror(f->file, &code);
  if (more <= 0 && code == Z_OK) return t;
  if (more > 0) pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: it goes on after the last element", f->path);
  else read_problem(f, err);
  pl_tensor_free(t);
  return NULL;
}

/* Opens the file and reads its header; on success f->file is to be closed. */
static pl_status open_file(idx *f, const char *path, pl_error *err) {
  struct stat info;
  *f = (idx){ .path = path };
  if (stat(path, &info)) return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: not a file", path);
  f->length = info.st_size;
  errno = 0;
  if ((f->file = gzopen(path, "rb")) == NULL)
    return pl_error_set(err, errno ? PL_ERROR_IO : PL_ERROR_MEMORY, "cannot open %s: %s", path,
                        errno ? strerror(errno) : "not enough memory");
  gzbuffer(f->file, 1 << 17);
  pl_status status = read_head(f, err);
  if (status) gzclose_r(f->file);
  return status;
}

pl_status pl_idx_head(const char *path, pl_dtype *type, pl_shape *shape, pl_error *err) {
  idx f;
  pl_status status = open_file(&f, path, err);
  if (status) return status;
  *type = pl_element_type(f.element);
  *shape = f.shape;
  gzclose_r(f.file);
  return PL_OK;
}

/* Adds the file's uncompressed bytes to `digest`, and to `also` unless it is NULL. */
static pl_tensor *read_file(const char *path, SHA2_CTX *digest, SHA2_CTX *also, pl_error *err) {
  idx f;
  if (open_file(&f, path, err)) return NULL;
  f.digest = digest;
  f.also = also;
  pl_tensor *t = read_elements(&f, err);
  gzclose_r(f.file);
  return t;
}

pl_tensor *pl_idx_read(const char *path, char sha256[PL_SHA256_TEXT], pl_error *err) {
  SHA2_CTX digest;
  SHA256Init(&digest);
  pl_tensor *t = read_file(path, &digest, NULL, err);
  if (t != NULL && sha256 != NULL) pl_digest_text(sha256, &digest);
  return t;
}

/* [N, H, W] as [N, H, W, 1], labels as i32: replaces *t, which stays the caller's also when it fails. */
static pl_status replace(pl_tensor **t, pl_tensor *by) {
  if (by == NULL) return PL_ERROR_MEMORY;
  pl_tensor_free(*t);
  *t = by;
  return PL_OK;
}

static pl_status add_channel(pl_tensor **t, pl_error *err) {
  pl_shape shape = *pl_tensor_shape(*t);
  if (shape.axes != 3) return PL_OK;
  shape.size[shape.axes++] = 1;
  return replace(t, pl_tensor_reshape(*t, &shape, err));
}

static pl_status make_labels(pl_tensor **t, const char *path, pl_error *err) {
  if (pl_tensor_type(*t) == PL_F32)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s holds floating-point numbers; labels are whole numbers", path);
  return pl_tensor_type(*t) == PL_U8 ? replace(t, pl_tensor_to(*t, PL_I32, err)) : PL_OK;
}

pl_dataset *pl_dataset_read_idx(const char *images, const char *labels, int64_t classes, pl_idx_sums *sums,
                                pl_error *err) {
  SHA2_CTX both, second;
  pl_tensor *x, *y = NULL;
  pl_dataset *ds = NULL;
  pl_idx_sums unused;
  if (sums == NULL) sums = &unused;
  SHA256Init(&both);
  SHA256Init(&second);
  if ((x = read_file(images, &both, NULL, err)) == NULL) return NULL;
  pl_digest_text(sums->images, &both);
  if ((y = read_file(labels, &both, &second, err)) == NULL) goto done;
  pl_digest_text(sums->labels, &second);
  if (pl_tensor_type(x) == PL_I32 && replace(&x, pl_tensor_to(x, PL_F32, err))) goto done;
  if (add_channel(&x, err) || make_labels(&y, labels, err)) goto done;
  if ((ds = pl_dataset_new(x, y, classes, err)) == NULL) {
    pl_error_prefix(err, "%s and %s", images, labels);
    goto done;
  }
  pl_digest_text(ds->sha256, &both);
done:
  pl_tensor_free(x);
  pl_tensor_free(y);
  return ds;
}
