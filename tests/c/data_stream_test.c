/* Streams: an epoch in windows of whole blocks, batches of it through the loader, and an epoch that cannot begin. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "data/dataset.h"
#include "perilune/alloc.h"
#include "support_model.h"
#include "train/loader.h"

enum { ROWS = 100, UNIT = 7, WINDOW = 21 };

static uint32_t first_bad = ROWS;   /* rows from this one on cannot be read */

/* Row r is the number r. */
static pl_status read_rows(pl_stream *s, void *out, const uint32_t *rows, size_t n, size_t *done, pl_error *err) {
  (void)s;
  if (n > 0 && rows[n - 1] >= first_bad) return pl_error_set(err, PL_ERROR_IO, "row %u is missing", rows[n - 1]);
  for (size_t i = 0; i < n; i++) ((float *)out)[i] = (float)rows[i];
  *done = n;
  return PL_OK;
}

static void free_stream(pl_stream *s) { pl_free(s); }

/* Blocks of 7 rows, windows of three blocks. */
static pl_dataset *numbers(void) {
  pl_error err;
  pl_stream *s = pl_alloc(sizeof *s, &err);
  s->read = read_rows;
  s->free = free_stream;
  pl_stream_set_window(WINDOW * sizeof(float));
  pl_stream_init(s, PL_F32, sizeof(float), UNIT);
  pl_stream_set_window(1 << 24);
  assert_int_equal(s->block, UNIT);
  assert_int_equal(s->window, WINDOW);
  pl_shape shape = { .axes = 2, .size = { ROWS, 1 } }, flat = { .axes = 1, .size = { ROWS } };
  pl_tensor *labels = pl_tensor_new(PL_I32, &flat, &err);
  pl_dataset *ds = pl_dataset_of_stream(s, PL_F32, &shape, labels, 1, &err);
  assert_non_null(ds);
  pl_tensor_free(labels);
  pl_stream_free(s);
  return ds;
}

/* Which positions: all; four of five; the second half, then the first; with repeats; the last rows missing. */
static size_t choose(int how, uint32_t *positions) {
  size_t n = 0;
  for (uint32_t i = 0; i < ROWS; i++) {
    if (how == 1 && i % 5 == 2) continue;
    if (how == 4 && i >= 90) continue;
    positions[n++] = how == 2 ? (i + ROWS / 2) % ROWS : how == 3 ? i / 30 : i;
  }
  return n;
}
enum { CHOICES = 5 };

static pl_dataset *chosen(int how) {
  uint32_t positions[ROWS];
  pl_error err;
  pl_dataset *all = numbers();
  size_t n = choose(how, positions);
  pl_dataset *ds = pl_dataset_select(all, positions, n, &err);
  assert_non_null(ds);
  pl_dataset_free(all);
  return ds;
}

/* Every position once; windows follow each other, none is too large, none shares 7 rows of the file with another. */
static void windows_are_whole_blocks(void **state) {
  (void)state;
  for (int how = 0; how < CHOICES; how++) {
    pl_dataset *ds = chosen(how);
    size_t most = pl_stream_windows_most(ds->stream, ds->count), first[64], windows;
    assert_true(most < 64);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
      uint32_t order[ROWS], window_of_block[ROWS] = { 0 };
      bool seen[ROWS] = { false }, moved = false, shuffle = epoch < 3;
      pl_error err;
      pl_status status = pl_stream_order(ds->stream, ds->rows, order, ds->count, 5, epoch, shuffle, first, &windows,
                                         &err);
      assert_int_equal(status, PL_OK);
      assert_true(windows <= most && first[0] == 0 && first[windows] == ds->count);
      for (size_t k = 0; k < windows; k++) {
        assert_true(first[k] < first[k + 1] && first[k + 1] - first[k] <= WINDOW);
        for (size_t i = first[k]; i < first[k + 1]; i++) {
          uint32_t *in = &window_of_block[ds->rows[order[i]] / UNIT];
          assert_false(seen[order[i]]);
          seen[order[i]] = true;
          moved = moved || order[i] != i;
          if (how != 2 && how != 3) assert_true(*in == 0 || *in == k + 1);
          *in = (uint32_t)k + 1;
        }
      }
      assert_int_equal(moved, shuffle);
    }
    pl_dataset_free(ds);
  }
}

static void check_batches(pl_loader *l, const pl_dataset *ds) {
  for (size_t b = 0; b < l->batches; b++) {
    pl_loader_load(l, &(pl_team){ .size = 1 }, b);
    for (size_t i = 0; i < pl_loader_length(l, b); i++)
      assert_true(pl_loader_x(l, b)[i] == (float)ds->rows[l->order[b * l->batch_size + i]]);
  }
}

/* Also of batches that are larger than the windows in memory. */
static void batches_are_in_that_order(void **state) {
  static const size_t sizes[] = { 1, 8, WINDOW, 2 * WINDOW + 1, ROWS };
  (void)state;
  for (int how = 0; how < CHOICES; how++) {
    pl_dataset *ds = chosen(how);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      pl_loader l = { 0 };
      pl_error err;
      assert_int_equal(pl_loader_open(&l, &(pl_trainer_options){ .data = ds, .batch_size = sizes[k], .seed = 5,
                                                                 .shuffle = true }, &err), PL_OK);
      for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        assert_int_equal(pl_loader_epoch(&l, epoch, &err), PL_OK);
        check_batches(&l, ds);
      }
      pl_loader_close(&l);
    }
    pl_dataset_free(ds);
  }
}

/* Where an epoch cannot begin, the one before is begun anew when it is asked for. */
static void an_epoch_that_failed_is_forgotten(void **state) {
  (void)state;
  pl_dataset *ds = numbers();
  pl_loader l = { 0 };
  pl_error err;
  assert_int_equal(pl_loader_open(&l, &(pl_trainer_options){ .data = ds, .batch_size = 8, .seed = 5, .shuffle = true },
                                  &err), PL_OK);
  assert_int_equal(pl_loader_epoch(&l, 1, &err), PL_OK);
  check_batches(&l, ds);
  pl_alloc_fail_at(1);
  assert_int_equal(pl_loader_epoch(&l, 2, &err), PL_ERROR_MEMORY);
  pl_alloc_fail_at(0);
  alarm(30);   /* instead of waiting for a window that nobody reads */
  assert_int_equal(pl_loader_epoch(&l, 1, &err), PL_OK);
  check_batches(&l, ds);
  alarm(0);
  pl_loader_close(&l);
  pl_dataset_free(ds);
}

static pl_status no_loss(void *context, pl_host_loss_call *call, pl_error *err) {
  (void)context, (void)call, (void)err;
  return PL_OK;
}

enum { SIZE = 4 };

/* Trains an epoch in which rows from `bad` on cannot be read; how many batches. */
static size_t train(uint32_t bad, bool script) {
  pl_error err = { 0 };
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("BatchNorm", "1") NEXT LAYER("Linear", "1,2")), &SHAPE(1));
  pl_dataset *ds = numbers();
  const pl_slice *slices;
  float weights[64], states[64];
  size_t n = pl_model_slices(model, &slices), size = pl_model_size(model), kept = pl_model_states_size(model);
  assert_true(size <= 64 && kept > 0 && kept <= 64);
  pl_optimizer *sgd = pl_optimizer_new("SGD", NULL, &err);
  assert_int_equal(pl_optimizer_bind(sgd, slices, n, size, &err), PL_OK);
  pl_loss *loss = pl_loss_new("CrossEntropy", NULL, &err);
  pl_trainer *trainer = pl_trainer_new(&(pl_trainer_options){ .model = model, .loss = script ? NULL : loss,
    .host_loss = script ? no_loss : NULL, .outputs = PL_OUTPUT_LOGITS, .optimizer = sgd, .data = ds,
    .batch_size = SIZE }, &err);
  assert_non_null(trainer);
  memcpy(weights, pl_model_values(model), size * sizeof *weights);
  memcpy(states, pl_model_states(model), kept * sizeof *states);
  pl_train_result result = { 0 };
  first_bad = bad;
  assert_int_equal(pl_trainer_run(trainer, 1, 0, ROWS / SIZE, &result, &err), PL_ERROR_IO);
  assert_true(pl_optimizer_counter(sgd, 0) == (double)result.batches && result.samples == result.batches * SIZE);
  if (result.batches == 0) {
    assert_memory_equal(weights, pl_model_values(model), size * sizeof *weights);
    assert_memory_equal(states, pl_model_states(model), kept * sizeof *states);
  }
  pl_trainer_free(trainer);   /* and who reads ahead */
  first_bad = ROWS;
  pl_loss_free(loss);
  pl_optimizer_free(sgd);
  pl_dataset_free(ds);
  drop_model(model);
  return result.batches;
}

/* Nor on one after it; before it may be noticed, as windows are read ahead. */
static void a_batch_that_is_not_read_is_not_trained_on(void **state) {
  enum { BAD = 3 * WINDOW };
  (void)state;
  for (int script = 0; script < 2; script++) for (int threads = 1; threads <= 3; threads++) {
    pl_threads_set(threads);
    assert_int_equal(train(0, script), 0);
    assert_true(train(BAD, script) <= BAD / SIZE);
  }
  pl_threads_set(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(windows_are_whole_blocks), cmocka_unit_test(batches_are_in_that_order),
    cmocka_unit_test(an_epoch_that_failed_is_forgotten), cmocka_unit_test(a_batch_that_is_not_read_is_not_trained_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
