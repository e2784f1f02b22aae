/* NumPy's NPY format, versions 1 to 3 (numpy.lib.format):
     "\x93NUMPY", two bytes of version, the header's length (u16, from version 2 on u32, little-endian), the header,
     then the elements. The header is a Python literal:
       {'descr': '<f8', 'fortran_order': False, 'shape': (60000, 28, 28), }
   Fortran order: the first axis changes fastest; such an array is read as one of the reversed shape, then
   transposed. */
#include <stdio.h>
#include <string.h>
#include "data/readers/elements.h"
#include "data/readers/zip.h"

enum { HEADER_MOST = 1 << 16 };

typedef struct npy {
  pl_element element;
  char type[16];             /* such as "<f8" */
  bool fortran;
  pl_shape shape;
} npy;

typedef struct literal {     /* a position in the header */
  const char *at, *end;
} literal;

static void skip_blanks(literal *l) {
  while (l->at < l->end && strchr(" \t\r\n", *l->at) && *l->at) l->at++;
}

static bool take(literal *l, char c) {
  skip_blanks(l);
  if (l->at == l->end || *l->at != c) return false;
  l->at++;
  return true;
}

/* A text between quotes, without escapes. */
static bool take_text(literal *l, char *out, size_t capacity) {
  skip_blanks(l);
  if (l->at == l->end || (*l->at != '\'' && *l->at != '"')) return false;
  char quote = *l->at++;
  const char *from = l->at;
  while (l->at < l->end && *l->at != quote) l->at++;
  if (l->at == l->end || (size_t)(l->at - from) >= capacity) return false;
  memcpy(out, from, (size_t)(l->at - from));
  out[l->at - from] = '\0';
  l->at++;
  return true;
}

static bool take_word(literal *l, const char *word) {
  skip_blanks(l);
  size_t n = strlen(word);
  if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0) return false;
  l->at += n;
  return true;
}

/* "(3, 4)", "(3,)", "()"; -1: not a list of sizes; the number of axes, of which the first PL_MAX_AXES are kept. */
static int take_shape(literal *l, pl_shape *shape) {
  int axes = 0;
  if (!take(l, '(')) return -1;
  while (!take(l, ')')) {
    int64_t size = 0;
    skip_blanks(l);
    const char *from = l->at;
    for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
      if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *l->at - '0', &size)) return -1;
    if (l->at == from) return -1;
    take_word(l, "L");   /* as Python 2 wrote it */
    if (axes < PL_MAX_AXES) shape->size[axes] = size;
    axes++;
    if (!take(l, ',')) {
      if (!take(l, ')')) return -1;
      break;
    }
  }
  shape->axes = axes < PL_MAX_AXES ? axes : PL_MAX_AXES;
  return axes;
}

static pl_status damaged(const pl_source *s, const char *why, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is not a whole NPY array: %s", s->name, why);
}

static pl_status read_type(const pl_source *s, npy *h, pl_error *err) {
  const char *t = h->type;
  int size = 0;
  if (strchr("<>|=", t[0]) == NULL || t[0] == '\0' || t[1] == '\0' || sscanf(t + 2, "%3d", &size) != 1)
    size = 0;
  h->element = (pl_element){ t[0] ? t[1] : '\0', (uint8_t)(size > 0 && size < 256 ? size : 0), false };
  if (size > 1 && (t[0] == '<' || t[0] == '>')) h->element.swapped = pl_element_order_swapped(t[0] == '>');
  if (size < 256 && pl_element_is_known(h->element)) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT,
                      "%s has elements of NumPy's type '%.15s'; integers and floating-point numbers of 8 to 64 bits "
                      "and booleans are read", s->name, t);
}

static pl_status parse_header(const pl_source *s, literal l, npy *h, pl_error *err) {
  char key[32];
  bool type = false, order = false, shape = false;
  if (!take(&l, '{')) return damaged(s, "its header is not a dictionary", err);
  while (!take(&l, '}')) {
    if (!take_text(&l, key, sizeof key) || !take(&l, ':')) return damaged(s, "its header is not readable", err);
    if (strcmp(key, "descr") == 0) {
      skip_blanks(&l);
      if (l.at < l.end && *l.at == '[')
        return pl_error_set(err, PL_ERROR_CORRUPT,
                            "%s holds records of several fields; save each as an array of its own", s->name);
      type = take_text(&l, h->type, sizeof h->type);
      if (!type) return damaged(s, "the type of its elements is not readable", err);
    } else if (strcmp(key, "fortran_order") == 0) {
      h->fortran = take_word(&l, "True");
      order = h->fortran || take_word(&l, "False");
      if (!order) return damaged(s, "its order of elements is neither True nor False", err);
    } else if (strcmp(key, "shape") == 0) {
      int axes = take_shape(&l, &h->shape);
      if (axes > PL_MAX_AXES)
        return pl_error_set(err, PL_ERROR_CORRUPT, "%s has %d axes; at most %d are read", s->name, axes, PL_MAX_AXES);
      if (!(shape = axes >= 0)) return damaged(s, "its shape is not readable", err);
    } else return damaged(s, "its header has an unknown field", err);
    if (!take(&l, ',')) {
      if (!take(&l, '}')) return damaged(s, "its header is not readable", err);
      break;
    }
  }
  if (!type || !order || !shape) return damaged(s, "its header lacks a field", err);
  return read_type(s, h, err);
}

static pl_status read_header(pl_source *s, npy *h, pl_error *err) {
  uint8_t head[12];
  *h = (npy){ 0 };
  pl_status status = pl_source_read(s, head, 10, err);
  if (status) return status;
  if (memcmp(head, "\x93NUMPY", 6) != 0)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is not an NPY array: it does not begin with \\x93NUMPY", s->name);
  if (head[6] < 1 || head[6] > 3)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is of version %d of the NPY format; 1 to 3 are read", s->name,
                        head[6]);
  size_t length = (size_t)head[8] | (size_t)head[9] << 8;
  if (head[6] > 1) {
    if ((status = pl_source_read(s, head + 10, 2, err))) return status;
    length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
  }
  if (length > HEADER_MOST) return damaged(s, "its header is too long", err);
  char *text = pl_alloc(length + 1, err);
  if (text == NULL) return PL_ERROR_MEMORY;
  status = pl_source_read(s, (uint8_t *)text, length, err);
  if (status == PL_OK) status = parse_header(s, (literal){ text, text + length }, h, err);
  pl_free(text);
  if (status) return status;
  int64_t count = pl_shape_count(&h->shape), bytes;
  char shape[PL_SHAPE_TEXT];
  if (count < 0 || __builtin_mul_overflow(count, (int64_t)h->element.size, &bytes) || (uint64_t)bytes != s->left)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is %s: its header says %s of %d bytes each, and %llu bytes follow",
                        s->name, count >= 0 && count > (int64_t)(s->left / h->element.size) ? "truncated" : "damaged",
                        pl_shape_text(shape, &h->shape, false), h->element.size, (unsigned long long)s->left);
  return PL_OK;
}

/* The array's header is read; on success the source is to be closed. */
static pl_status open_array(pl_source *s, const char *path, const char *member, npy *h, pl_error *err) {
  char file[300];
  if (member != NULL) snprintf(file, sizeof file, "%.250s.npy", member);
  pl_status status = member ? pl_source_open_member(s, path, file, err) : pl_source_open(s, path, err);
  if (status) return status;
  if ((status = read_header(s, h, err))) pl_source_close(s);
  return status;
}

pl_status pl_npy_info(const char *path, const char *member, pl_array_info *info, pl_error *err) {
  pl_source s;
  npy h;
  pl_status status = open_array(&s, path, member, &h, err);
  if (status) return status;
  *info = (pl_array_info){ .type = pl_element_type(h.element), .shape = h.shape, .integers = h.element.kind != 'f' };
  if (h.element.kind == 'b') snprintf(info->element, sizeof info->element, "bool");
  else snprintf(info->element, sizeof info->element, "%c%d", h.element.kind, 8 * h.element.size);
  pl_source_close(&s);
  return PL_OK;
}

static pl_shape reversed(const pl_shape *shape) {
  pl_shape out = { .axes = shape->axes };
  for (int i = 0; i < shape->axes; i++) out.size[i] = shape->size[shape->axes - 1 - i];
  return out;
}

static pl_tensor *transpose(pl_tensor *t, pl_error *err) {
  int axes[PL_MAX_AXES], n = pl_tensor_shape(t)->axes;
  for (int i = 0; i < n; i++) axes[i] = n - 1 - i;
  pl_tensor *view = pl_tensor_permute(t, axes, n, err), *out = view ? pl_tensor_to_contiguous(view, err) : NULL;
  pl_tensor_free(view);
  pl_tensor_free(t);
  return out;
}

pl_tensor *pl_npy_read(const char *path, const char *member, pl_error *err) {
  pl_source s;
  npy h;
  if (open_array(&s, path, member, &h, err)) return NULL;
  bool transposed = h.fortran && h.shape.axes > 1;
  pl_shape shape = transposed ? reversed(&h.shape) : h.shape;
  pl_tensor *t = pl_element_read(s.name, &shape, h.element, pl_source_read, &s, err);
  if (t != NULL && pl_source_finish(&s, err)) {
    pl_tensor_free(t);
    t = NULL;
  }
  pl_source_close(&s);
  return t != NULL && transposed ? transpose(t, err) : t;
}

typedef struct listing {
  void (*each)(void *context, const char *name);
  void *context;
} listing;

static bool list_one(void *context, const pl_zip_entry *entry) {
  const listing *l = context;
  char name[256];
  size_t n = strlen(entry->name);
  if (n <= 4 || strcmp(entry->name + n - 4, ".npy") != 0) return true;
  memcpy(name, entry->name, n - 4);
  name[n - 4] = '\0';
  l->each(l->context, name);
  return true;
}

pl_status pl_npz_list(const char *path, void (*each)(void *context, const char *name), void *context, pl_error *err) {
  pl_source s;
  pl_status status = pl_source_open(&s, path, err);
  if (status) return status;
  status = pl_zip_each(&s, list_one, &(listing){ each, context }, err);
  pl_source_close(&s);
  return status;
}
