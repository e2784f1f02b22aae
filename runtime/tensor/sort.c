/* Sorting along an axis: merge sort, so that equal elements keep their order. */
#include <string.h>
#include "tensor/internal.h"
#include "perilune/alloc.h"

typedef struct item {
  double value;
  int64_t index;
} item;

/* Strictly before: NaN comes last in both directions. */
static bool before(const item *a, const item *b, bool descending) {
  if (a->value != a->value) return false;
  if (b->value != b->value) return true;
  return descending ? a->value > b->value : a->value < b->value;
}

/* Runs of 1, 2, 4, ... items are merged from one buffer to the other. Returns the one that ends up sorted. */
static item *merge_sort(item *items, item *other, int64_t n, bool descending) {
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t start = 0; start < n; start += 2 * width) {
      int64_t middle = start + width < n ? start + width : n, end = middle + width < n ? middle + width : n;
      int64_t a = start, b = middle;
      for (int64_t k = start; k < end; k++) {
        bool second = a == middle || (b < end && before(&items[b], &items[a], descending));
        other[k] = items[second ? b++ : a++];
      }
    }
    item *swap = items;
    items = other;
    other = swap;
  }
  return items;
}

static void sort_rows(pl_tensor *values, pl_tensor *indices, const pl_tensor *t, item *items, int64_t n,
                      bool descending) {
  pl_cursor in = pl_cursor_open(t, &t->shape, 0);
  pl_cursor value = pl_cursor_open(values, &values->shape, 0), index = pl_cursor_open(indices, &indices->shape, 0);
  int64_t rows = n > 0 ? pl_tensor_count(t) / n : 0;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < n; i++) {
      pl_cursor_read(&in, &items[i].value, 1);
      items[i].index = i;
    }
    const item *sorted = merge_sort(items, items + n, n, descending);
    for (int64_t i = 0; i < n; i++) {
      double from = (double)sorted[i].index;
      pl_cursor_write(&value, &sorted[i].value, 1);
      pl_cursor_write(&index, &from, 1);
    }
  }
}

pl_status pl_tensor_sort(pl_tensor **values, pl_tensor **indices, const pl_tensor *t, int axis, bool descending,
                         pl_error *err) {
  *values = *indices = NULL;
  pl_status status = pl_axis_resolve(&axis, t->shape.axes, "sort", err);
  if (status) return status;
  int64_t n = t->shape.size[axis];
  item *items = pl_alloc_array((size_t)n, 2 * sizeof *items, err);
  *values = pl_tensor_new(t->type, &t->shape, err);
  *indices = pl_tensor_new(PL_I32, &t->shape, err);
  pl_tensor *row_in = pl_tensor_transpose(t, axis, -1, err);   /* the axis last */
  pl_tensor *row_values = *values ? pl_tensor_transpose(*values, axis, -1, err) : NULL;
  pl_tensor *row_indices = *indices ? pl_tensor_transpose(*indices, axis, -1, err) : NULL;
  bool complete = items && row_in && row_values && row_indices;
  if (complete) sort_rows(row_values, row_indices, row_in, items, n, descending);
  pl_free(items);
  pl_tensor_free(row_in);
  pl_tensor_free(row_values);
  pl_tensor_free(row_indices);
  if (complete) return PL_OK;
  pl_tensor_free(*values);
  pl_tensor_free(*indices);
  *values = *indices = NULL;
  return PL_ERROR_MEMORY;
}
