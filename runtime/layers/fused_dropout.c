/* Dropout after a ReLU, and the rows of outputs before that, in one loop; one bit an element tells what passed both. */
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/fused.h"

void pl_fused_relu_dropout(const pl_fused *f) {
  const pl_pass *pass = &f->pass[1];
  size_t from, to;
  pl_team_share(pass->team, pass->batch * (size_t)pl_shape_count(&pass->in), DROPOUT_GROUP, &from, &to);
  dropout_range(f->layer[1], pass, f->x + from, f->y + from, from, to - from, true);
}

/* Rows are made where their outputs will be, as many at a time as fill whole groups of elements. */
void pl_fused_conv2d_relu_dropout(const pl_fused *f) {
  const pl_pass *pass = &f->pass[2];
  size_t from, to, together = 1;
  conv2d_rows made = conv2d_rows_begin(f->layer[0], &f->pass[0], f->x);
  size_t row = made.first.rows * made.first.cols, height = (size_t)pl_shape_count(&pass->in) / row;
  /* the kernel makes random words for two groups at a time */
  while (together * row % (2 * DROPOUT_GROUP)) together *= 2;
  pl_work work = pl_work_begin(pass->team, pass->batch * height, together, (height + together - 1) / together,
                               PL_FROM_START);
  while (pl_work_take(&work, &from, &to)) for (size_t r = from, end; r < to; r = end) {
    end = r + together < to ? r + together : to;
    for (size_t k = r; k < end; k++) conv2d_make_rows(&made, k / height, k % height, 1, f->y + k * row);
    dropout_range(f->layer[2], pass, f->y + r * row, f->y + r * row, r * row, (end - r) * row, true);
  }
}

void pl_fused_relu_dropout_backward(const pl_fused *f) {
  pl_layer *dropout = f->layer[f->ops - 1];
  dropout->cls->backward(dropout, &f->pass[f->ops - 1], NULL, NULL, f->dy, f->dx);
}
