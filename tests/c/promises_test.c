/* What public headers promise of wrong use: a status and a message, nothing read or written that is not there, outputs
   NULL after an error. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/perilune.h"
#include "support_model.h"

#define REFUSED(status, call, part) refused(status, call, &err, part, #call)
static void refused(pl_status expected, pl_status got, const pl_error *err, const char *part, const char *call) {
  if (got != expected || err->status != expected || strstr(err->text, part) == NULL)
    fail_msg("%s: status %d (%d in the error), %s", call, (int)got, (int)err->status, err->text);
}
/* The same of a function that returns what it makes. */
#define NOT_MADE(expected, call, part) do { \
  err = (pl_error){ 0 }; \
  if ((call) != NULL) fail_msg("%s: made", #call); \
  refused(expected, err.status, &err, part, #call); \
} while (0)

static pl_error err;

static void histograms_of_any_ends(void **state) {
  (void)state;
  pl_tensor *t = pl_tensor_new(PL_F32, &SHAPE(4), &err);
  for (int i = 0; i < 4; i++) assert_int_equal(pl_tensor_set(t, i, i, &err), PL_OK);
  int64_t counts[3] = { 7, 7, 7 };
  pl_histogram h = pl_tensor_histogram(counts, 3, -INFINITY, INFINITY, t);
  assert_true(h.low == 0 && h.high == 3);
  assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 2);
  pl_tensor_histogram(counts, 3, 0, 1e-320, t);
  assert_true(counts[0] == 1 && counts[1] == 0 && counts[2] == 0);
  h = pl_tensor_histogram(NULL, 0, NAN, NAN, t);
  assert_true(h.count == 4 && h.mean == 1.5);
  pl_tensor_free(t);
}

static void in_place_says_what_was_wrong(void **state) {
  (void)state;
  const pl_operand large = { .number = 300, .is_integer = true };
  pl_tensor *t = pl_tensor_new(PL_U8, &SHAPE(4), &err);
  const pl_binary_op *add = pl_binary_find("add");
  const pl_unary_op *neg = pl_unary_find("neg");
  REFUSED(PL_ERROR_VALUE, pl_tensor_binary_in_place(t, add, large, &err), "300");
  assert_int_equal(pl_tensor_binary_in_place(t, add, large, NULL), PL_ERROR_VALUE);
  pl_alloc_fail_at(1);
  REFUSED(PL_ERROR_MEMORY, pl_tensor_binary_in_place(t, add, large, &err), "memory");
  pl_alloc_fail_at(1);
  assert_int_equal(pl_tensor_unary_in_place(t, neg, NULL, NULL), PL_ERROR_MEMORY);
  pl_alloc_fail_at(0);
  pl_tensor_free(t);
}

static void options_are_a_table(void **state) {
  (void)state;
  cJSON *number = cJSON_CreateNumber(5), *pair = cJSON_Parse("[{\"betas\":[0.5,2]}]");
  NOT_MADE(PL_ERROR_TYPE, pl_loss_new("MSE", number, &err), "a table of options");
  assert_null(pl_optimizer_new("Adam", pair, NULL));
  cJSON_Delete(number);
  cJSON_Delete(pair);
}

static pl_optimizer *host_optimizer(const char *definition) {
  cJSON *json = cJSON_Parse(definition);
  pl_optimizer *opt = pl_optimizer_new_host(json, NULL, &err);
  cJSON_Delete(json);
  return opt;
}

static pl_status no_step(void *context, pl_host_step_call *call, pl_error *e) {
  (void)context, (void)call, (void)e;
  return PL_OK;
}

static void definitions_of_optimizers_are_checked(void **state) {
  (void)state;
  bool finite;
  NOT_MADE(PL_ERROR_VALUE, host_optimizer("{}"), "no type");
  NOT_MADE(PL_ERROR_VALUE, host_optimizer("{\"type\":\"Mine\",\"slots\":[1]}"), "slots are texts");
  NOT_MADE(PL_ERROR_VALUE, host_optimizer("{\"type\":\"Mine\",\"scalars\":[{\"initial\":1}]}"), "a name each");
  NOT_MADE(PL_ERROR_VALUE, host_optimizer("{\"type\":\"Mine\",\"scalars\":[{\"name\":\"t\",\"initial\":\"1\"}]}"),
           "a number");
  NOT_MADE(PL_ERROR_VALUE, host_optimizer("{\"type\":\"Mine\",\"decay_form\":\"l3\"}"), "decay_form");
  pl_optimizer *sgd = pl_optimizer_new("SGD", NULL, &err);
  REFUSED(PL_ERROR_STATE, pl_optimizer_step_host(sgd, NULL, NULL, no_step, NULL, &finite, &err), "SGD");
  assert_int_equal(pl_optimizer_check_step(sgd, NULL, &err), PL_OK);
  pl_optimizer_free(sgd);
  pl_optimizer *mine = host_optimizer("{\"type\":\"Mine\",\"slots\":[\"m\"]}");
  REFUSED(PL_ERROR_VALUE, pl_optimizer_step_host(mine, NULL, NULL, NULL, NULL, &finite, &err), "not given");
  REFUSED(PL_ERROR_VALUE, pl_optimizer_check_step(mine, NULL, &err), "not given");
  assert_int_equal(pl_optimizer_check_step(mine, no_step, &err), PL_OK);
  pl_optimizer_free(mine);
}

static const char net[] = SEQUENTIAL(LAYER("Linear", "3,2"));

static void scalars_of_an_optimizer_begin_at_zero(void **state) {
  (void)state;
  pl_model *model = model_from_text(net, &SHAPE(3));
  pl_optimizer *mine = host_optimizer("{\"type\":\"Mine\",\"scalars\":[{\"name\":\"t\"},"
                                      "{\"name\":\"u\",\"initial\":2}]}");
  const pl_slice *slices;
  size_t n = pl_model_slices(model, &slices);
  assert_int_equal(pl_optimizer_bind(mine, slices, n, pl_model_size(model), &err), PL_OK);
  assert_string_equal(pl_optimizer_counter_name(mine, 3), "t 01_linear.weight");
  assert_true(pl_optimizer_counter(mine, 3) == 0 && pl_optimizer_counter(mine, 4) == 2);
  pl_optimizer_free(mine);
  drop_model(model);
}

static void a_model_has_no_shapes_before_it_is_built(void **state) {
  (void)state;
  pl_layer *root = layer_from_text(SEQUENTIAL(LAYER("Linear", "784,300")), &err);
  pl_model *model = pl_model_new(root, &err);
  assert_null(pl_model_input(model));
  assert_null(pl_model_output(model));
  assert_int_equal(pl_model_outputs(model).count, 0);
  assert_int_equal(pl_model_rows(model), 0);
  assert_int_equal(pl_model_largest_packed(model), 0);
  NOT_MADE(PL_ERROR_STATE, pl_exec_new(model, &err), "shape of its input");
  drop_model(model);
}

static void a_pass_needs_a_sample(void **state) {
  (void)state;
  const float *y, x[3] = { 0 };
  pl_model *model = model_from_text(net, &SHAPE(3));
  for (pl_mode mode = PL_INFER; mode <= PL_TRAIN; mode++)
    REFUSED(PL_ERROR_VALUE, model_forward(model, x, 0, mode, &y, &err), "one sample or more");
  drop_model(model);
}

/* As many samples as a size_t counts: sums of their bytes would overflow. */
static void batches_beyond_all_memory(void **state) {
  (void)state;
  static const size_t batches[] = { (size_t)1 << 48, (size_t)1 << 58, ((size_t)1 << 60) + 1, (size_t)1 << 61,
                                    (size_t)1 << 62, SIZE_MAX / 8 + 1000, SIZE_MAX / 2 + 1, SIZE_MAX };
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Linear", "4,6") NEXT LAYER("ReLU", "") NEXT
                                               LAYER("Linear", "6,2")), &SHAPE(4));
  pl_exec *exec = pl_exec_new(model, &err);
  assert_int_equal(pl_exec_reserve(exec, 16, PL_INFER, &err), PL_OK);
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    for (pl_mode mode = PL_INFER; mode <= PL_TRAIN; mode++) {
      REFUSED(PL_ERROR_MEMORY, pl_exec_reserve(exec, batches[i], mode, &err), "activations of a batch");
      if (i > 0) assert_int_equal(pl_exec_arena(model, batches[i], mode), 0);
    }
  }
  pl_exec_free(exec);
  drop_model(model);
}

static void no_samples(void **state) {
  (void)state;
  pl_model *model = model_from_text(net, &SHAPE(3));
  pl_exec *exec = pl_exec_new(model, &err);
  float x[3 * 64] = { 0 };
  REFUSED(PL_ERROR_VALUE, pl_exec_check_batch(exec, 0, &err), "one sample or more");
  assert_int_equal(pl_exec_check_batch(exec, 1, &err), PL_OK);
  for (pl_mode mode = PL_INFER; mode <= PL_TRAIN; mode++) {
    assert_int_equal(pl_exec_reserve(exec, 64, mode, &err), PL_OK);
    pl_exec_forward_team(exec, &(pl_team){ .size = 1 }, x, 0, 0);
  }
  REFUSED(PL_ERROR_VALUE, pl_check_batches(model, 0, 4, false, &err), "no samples");
  assert_int_equal(pl_check_batches(model, 1, 4, false, &err), PL_OK);
  pl_exec_free(exec);
  drop_model(model);
}

static void classes_are_a_number_of_them(void **state) {
  (void)state;
  pl_tensor *x = pl_tensor_new(PL_F32, &SHAPE(6, 3), &err), *y = pl_tensor_new(PL_I32, &SHAPE(6), &err);
  NOT_MADE(PL_ERROR_VALUE, pl_dataset_new(x, y, -3, &err), "got -3");
  pl_tensor_free(x);
  pl_tensor_free(y);
}

static void an_archive_that_is_not_there_is_not_damaged(void **state) {
  (void)state;
  const char *const members[] = { "a" };
  if (pl_unpack_load(&err)) skip();
  REFUSED(PL_ERROR_IO, pl_unpack("tests/golden/none.tar.gz", "tests/golden", members, 1, 1000, NULL, NULL, &err),
          "cannot read tests/golden/none.tar.gz: No such file");
  REFUSED(PL_ERROR_IO, pl_unpack("tests/golden", "tests/golden", members, 1, 1000, NULL, NULL, &err), "a folder");
  REFUSED(PL_ERROR_CORRUPT, pl_unpack("tests/golden/math.json", "tests/golden", members, 1, 1000, NULL, NULL, &err),
          "math.json is damaged");
}

static pl_dataset *few_samples(void) {
  pl_tensor *x = pl_tensor_new(PL_F32, &SHAPE(6, 3), &err), *y = pl_tensor_new(PL_I32, &SHAPE(6), &err);
  pl_dataset *ds = pl_dataset_new(x, y, 2, &err);
  pl_tensor_free(x);
  pl_tensor_free(y);
  return ds;
}

static void a_training_needs_a_loss_a_step_and_targets(void **state) {
  (void)state;
  pl_model *model = model_from_text(net, &SHAPE(3));
  pl_dataset *ds = few_samples();
  const pl_slice *slices;
  size_t n = pl_model_slices(model, &slices);
  pl_loss *loss = pl_loss_new("CrossEntropy", NULL, &err);
  pl_optimizer *mine = host_optimizer("{\"type\":\"Mine\"}"), *sgd = pl_optimizer_new("SGD", NULL, &err);
  assert_int_equal(pl_optimizer_bind(mine, slices, n, pl_model_size(model), &err), PL_OK);
  assert_int_equal(pl_optimizer_bind(sgd, slices, n, pl_model_size(model), &err), PL_OK);
  pl_trainer_options options = { .model = model, .optimizer = sgd, .data = ds, .batch_size = 2, .seed = 1 };
  NOT_MADE(PL_ERROR_VALUE, pl_trainer_new(&options, &err), "needs a loss");
  options.loss = loss;
  options.optimizer = mine;
  NOT_MADE(PL_ERROR_VALUE, pl_trainer_new(&options, &err), "Mine");
  options.optimizer = sgd;
  pl_trainer *trainer = pl_trainer_new(&options, &err);
  assert_non_null(trainer);
  pl_train_result result = { 0 };
  const float x[6] = { 0 };
  const int32_t labels[2] = { 0, 1 };
  pl_target none = { 0 }, some = { .labels = labels };
  REFUSED(PL_ERROR_VALUE, pl_trainer_step(trainer, 1, 0, x, none, 2, &result, &err), "targets");
  REFUSED(PL_ERROR_VALUE, pl_trainer_step(trainer, 1, 0, x, some, 0, &result, &err), "one sample or more");
  assert_int_equal(pl_trainer_step(trainer, 1, 0, x, some, 2, &result, &err), PL_OK);
  assert_int_equal(result.samples, 2);
  pl_exec *exec = pl_exec_new(model, &err);
  pl_evaluation e;
  for (pl_mode mode = PL_CAPTURE; mode <= PL_TRAIN; mode++)
    REFUSED(PL_ERROR_VALUE, pl_evaluate(exec, loss, PL_OUTPUT_LOGITS, ds, mode, &e, NULL, NULL, &err), "neither");
  pl_exec_free(exec);
  pl_trainer_free(trainer);
  pl_optimizer_free(mine);
  pl_optimizer_free(sgd);
  pl_loss_free(loss);
  pl_dataset_free(ds);
  drop_model(model);
}

static pl_status no_loss(void *context, pl_host_loss_call *call, pl_error *e) {
  (void)call;
  return *(bool *)context ? pl_error_set(e, PL_ERROR_VALUE, "on purpose") : PL_OK;
}

/* The statistics of the batch, which its forward pass has added to the running ones, are taken back. */
static void a_step_whose_loss_fails_leaves_no_trace(void **state) {
  (void)state;
  bool fails = true;
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("BatchNorm", "3") NEXT LAYER("Linear", "3,2")), &SHAPE(3));
  pl_tensor *x = pl_tensor_new(PL_F32, &SHAPE(6, 3), &err), *y = pl_tensor_new(PL_I32, &SHAPE(6), &err);
  for (int i = 0; i < 18; i++) assert_int_equal(pl_tensor_set(x, i, i, &err), PL_OK);
  pl_dataset *ds = pl_dataset_new(x, y, 2, &err);
  const pl_slice *slices;
  size_t n = pl_model_slices(model, &slices);
  pl_optimizer *sgd = pl_optimizer_new("SGD", NULL, &err);
  assert_int_equal(pl_optimizer_bind(sgd, slices, n, pl_model_size(model), &err), PL_OK);
  pl_trainer *trainer = pl_trainer_new(&(pl_trainer_options){ .model = model, .host_loss = no_loss,
    .host_loss_context = &fails, .outputs = PL_OUTPUT_LOGITS, .optimizer = sgd, .data = ds, .batch_size = 2 }, &err);
  assert_non_null(trainer);
  pl_train_result result = { 0 };
  float before[64], *states = pl_model_states(model);
  size_t bytes = pl_model_states_size(model) * sizeof *states;
  assert_true(bytes > 0 && bytes <= sizeof before);
  memcpy(before, states, bytes);
  REFUSED(PL_ERROR_VALUE, pl_trainer_run(trainer, 1, 0, 2, &result, &err), "on purpose");
  assert_memory_equal(before, states, bytes);
  assert_true(result.batches == 0 && pl_optimizer_counter(sgd, 0) == 0);
  fails = false;
  assert_int_equal(pl_trainer_run(trainer, 1, 0, 2, &result, &err), PL_OK);
  assert_memory_not_equal(before, states, bytes);
  assert_int_equal(result.batches, 2);
  pl_trainer_free(trainer);
  pl_optimizer_free(sgd);
  pl_dataset_free(ds);
  pl_tensor_free(x);
  pl_tensor_free(y);
  drop_model(model);
}

/* Labels for a training on values would be read as values that are not there. */
static void targets_are_of_the_kind_of_the_data_set(void **state) {
  (void)state;
  pl_model *model = model_from_text(net, &SHAPE(3));
  pl_tensor *x = pl_tensor_new(PL_F32, &SHAPE(6, 3), &err), *y = pl_tensor_new(PL_F32, &SHAPE(6, 2), &err);
  pl_dataset *ds = pl_dataset_new(x, y, 0, &err);
  const pl_slice *slices;
  size_t n = pl_model_slices(model, &slices);
  pl_loss *loss = pl_loss_new("MSE", NULL, &err);
  pl_optimizer *sgd = pl_optimizer_new("SGD", NULL, &err);
  assert_int_equal(pl_optimizer_bind(sgd, slices, n, pl_model_size(model), &err), PL_OK);
  pl_trainer_options options = { .model = model, .loss = loss, .optimizer = sgd, .data = ds, .batch_size = 2 };
  pl_trainer *trainer = pl_trainer_new(&options, &err);
  const int32_t labels[2] = { 0, 1 };
  pl_train_result result = { 0 };
  REFUSED(PL_ERROR_VALUE, pl_trainer_step(trainer, 1, 0, pl_tensor_data(x), (pl_target){ .labels = labels }, 2, &result,
                                          &err), "targets are values");
  pl_trainer_free(trainer);
  pl_optimizer_free(sgd);
  pl_loss_free(loss);
  pl_dataset_free(ds);
  pl_tensor_free(x);
  pl_tensor_free(y);
  drop_model(model);
}

static void what_was_not_made_is_null(void **state) {
  (void)state;
  pl_tensor *t = pl_tensor_new(PL_F32, &SHAPE(3), &err), *values = t, *indices = t;
  REFUSED(PL_ERROR_SHAPE, pl_tensor_sort(&values, &indices, t, 1, false, &err), "axis 2");
  assert_true(values == NULL && indices == NULL);
  void *data = t;
  size_t size = 7;
  REFUSED(PL_ERROR_IO, pl_store_read_file("tests/golden/nothing", &data, &size, &err), "nothing");
  assert_true(data == NULL && size == 0);
  pl_csv *csv = pl_csv_open("tests/golden/readers/table.csv", ',', true, &err);
  const char **names = (const char **)t;
  pl_alloc_fail_at(1);
  REFUSED(PL_ERROR_MEMORY, pl_csv_categories(csv, 0, &names, &size, &err), "memory");
  pl_alloc_fail_at(0);
  assert_true(names == NULL && size == 0);
  pl_csv_free(csv);
  pl_tensor_free(t);
}

static void readers_check_what_they_are_asked_for(void **state) {
  (void)state;
  const char *const pictures[] = { "tests/golden/readers/gray.png" }, *const file[] = { "tests/golden/math.json" };
  pl_tensor *images, *labels;
  NOT_MADE(PL_ERROR_VALUE, pl_csv_open("tests/golden/readers/table.csv", '"', true, &err), "delimiter");
  NOT_MADE(PL_ERROR_VALUE, pl_csv_open("tests/golden/readers/table.csv", '\0', true, &err), "delimiter");
  NOT_MADE(PL_ERROR_VALUE, pl_picture_read(pictures[0], 2, &err), "channel");
  NOT_MADE(PL_ERROR_VALUE, pl_pictures_read(pictures, 1, 4, 0, 1, &err), "4 x 0");
  NOT_MADE(PL_ERROR_VALUE, pl_stream_pictures(pictures, 1, 4, 0, 1, &err), "4 x 0");
  NOT_MADE(PL_ERROR_VALUE, pl_stream_pictures(pictures, 1, -2, 5, 3, &err), "-2 x 5");
  REFUSED(PL_ERROR_VALUE, pl_cifar_read(&images, &labels, file, 1, 3, 10, &err), "1 or 2");
  assert_true(images == NULL && labels == NULL);
  REFUSED(PL_ERROR_CORRUPT, pl_cifar_read(&images, &labels, file, 1, 1, 10, &err), "truncated");
  assert_true(images == NULL && labels == NULL);
}

/* One good record, then one whose label is none of the classes: what had been made is freed. */
static void a_damaged_record_leaves_nothing(void **state) {
  (void)state;
  enum { RECORD = 3073 };
  static uint8_t bytes[2 * RECORD];
  const char *folder = getenv("TEST_TMP");
  char path[512];
  snprintf(path, sizeof path, "%s/damaged.bin", folder ? folder : "/tmp");
  bytes[RECORD] = 11;
  assert_int_equal(pl_store_write_file(path, bytes, sizeof bytes, &err), PL_OK);
  size_t before = pl_alloc_live();
  pl_tensor *images, *labels;
  REFUSED(PL_ERROR_CORRUPT, pl_cifar_read(&images, &labels, (const char *const[]){ path }, 1, 1, 10, &err), "label 11");
  assert_true(images == NULL && labels == NULL);
  assert_int_equal(pl_alloc_live(), before);
  pl_store_remove(path, NULL);
}

static void a_stream_gives_samples_of_its_size_only(void **state) {
  (void)state;
  const char *const paths[] = { "tests/golden/readers/gray.png", "tests/golden/readers/gray.png" };
  pl_stream *s = pl_stream_pictures(paths, 2, 4, 5, 1, &err);
  if (s == NULL && err.status == PL_ERROR_IO) skip();
  assert_non_null(s);
  NOT_MADE(PL_ERROR_SHAPE, pl_dataset_of_stream(s, PL_U8, &SHAPE(2, 40, 50, 1), NULL, 0, &err), "20 bytes");
  NOT_MADE(PL_ERROR_SHAPE, pl_dataset_of_stream(s, PL_F32, &SHAPE(2, 4, 5, 1), NULL, 0, &err), "20 bytes");
  NOT_MADE(PL_ERROR_SHAPE, pl_dataset_of_stream(s, PL_F32, &SHAPE(2, 5, 1), NULL, 0, &err), "20 bytes of u8");
  pl_dataset *ds = pl_dataset_of_stream(s, PL_U8, &SHAPE(2, 4, 5, 1), NULL, 0, &err);
  assert_non_null(ds);
  pl_dataset_free(ds);
  pl_stream_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(histograms_of_any_ends),
    cmocka_unit_test(in_place_says_what_was_wrong),
    cmocka_unit_test(options_are_a_table),
    cmocka_unit_test(definitions_of_optimizers_are_checked),
    cmocka_unit_test(a_model_has_no_shapes_before_it_is_built),
    cmocka_unit_test(a_pass_needs_a_sample),
    cmocka_unit_test(scalars_of_an_optimizer_begin_at_zero),
    cmocka_unit_test(batches_beyond_all_memory),
    cmocka_unit_test(no_samples),
    cmocka_unit_test(classes_are_a_number_of_them),
    cmocka_unit_test(an_archive_that_is_not_there_is_not_damaged),
    cmocka_unit_test(a_step_whose_loss_fails_leaves_no_trace),
    cmocka_unit_test(a_training_needs_a_loss_a_step_and_targets),
    cmocka_unit_test(targets_are_of_the_kind_of_the_data_set),
    cmocka_unit_test(what_was_not_made_is_null),
    cmocka_unit_test(readers_check_what_they_are_asked_for),
    cmocka_unit_test(a_damaged_record_leaves_nothing),
    cmocka_unit_test(a_stream_gives_samples_of_its_size_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
