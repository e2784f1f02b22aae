/* pl_model_load and pl_model_predict: what a file holds is what predicts; whatever is wrong with it is an error that
   names the file, whatever allocation fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "perilune/alloc.h"
#include "perilune/saved.h"
#include "store/lossless.h"
#include "support_model.h"
#include "support_store.h"

enum { INPUTS = 3, CLASSES = 4, SAMPLES = 300 };

/* As the program writes it: a whole float is a text. */
static const char config[] =
  "{\"type\":\"Sequential\",\"config\":{},\"layers\":["
  "{\"type\":\"Linear\",\"config\":{\"in\":3,\"out\":5,\"name\":\"~12\"}},"
  "{\"type\":\"LeakyReLU\",\"config\":{\"slope\":\"2.0\"}},"
  "{\"type\":\"Residual\",\"config\":{},\"layers\":[{\"type\":\"Linear\",\"config\":{\"in\":5,\"out\":5}}]},"
  "{\"type\":\"Linear\",\"config\":{\"in\":5,\"out\":4,\"name\":\"%6f7574\"}}]}";
#define SAME \
  SEQUENTIAL(LAYER("Linear", "3,5") NEXT LAYER("LeakyReLU", "2") NEXT RESIDUAL(LAYER("Linear", "5,5")) NEXT \
             LAYER("Linear", "5,4"))

static const char *const values[] = { "/model/layers/01_linear/weight", "/model/layers/01_linear/bias",
                                      "/model/layers/03_residual/01_linear/weight",
                                      "/model/layers/03_residual/01_linear/bias", "/model/layers/04_linear/weight",
                                      "/model/layers/04_linear/bias" };

static void put_text(pl_store_writer *w, const char *name, const char *text) {
  if (text != NULL) GOOD(pl_store_attr(w, "/model", name, PL_STORE_TEXT, text, strlen(text), &err));
}

static struct { const char *format; int64_t version; const char *more; } root = { "perilune-run", 2, NULL };

/* The parameters of `model` under these descriptions (NULL: left out); `wrong`: one of them in another shape, -1:
   none. */
static void write_model(const char *path, pl_model *model, const char *text, const char *input, const char *loss,
                        int wrong) {
  pl_store_writer *w = create_tree(path);
  const pl_slice *slice;
  size_t n = pl_model_slices(model, &slice);
  if (root.format != NULL)
    GOOD(pl_store_attr(w, "/", "format", PL_STORE_TEXT, root.format, strlen(root.format), &err));
  GOOD(pl_store_attr(w, "/", "format_version", PL_STORE_I64, &root.version, 1, &err));
  GOOD(pl_store_group(w, "/model/layers", &err));
  if (root.more != NULL) GOOD(pl_store_data(w, root.more, PL_STORE_F32, &SHAPE(1), &(float){ 0 }, 0, &err));
  put_text(w, "config", text);
  put_text(w, "input", input);
  put_text(w, "loss", loss);
  for (size_t i = 0; i < n; i++) {
    pl_shape shape = slice[i].axes == 1 ? SHAPE((int64_t)slice[i].count)
                                        : SHAPE(i == 0 ? INPUTS : 5, (int64_t)slice[i].count / (i == 0 ? INPUTS : 5));
    if ((int)i == wrong) shape = SHAPE((int64_t)slice[i].count, 1);
    GOOD(pl_store_data(w, values[i], PL_STORE_F32, &shape, pl_model_values(model) + slice[i].offset, 0, &err));
  }
  GOOD(pl_store_commit(w, &err));
}

static pl_model *original;
static float x[SAMPLES * INPUTS], want[SAMPLES * CLASSES];

static int set_up(void **state) {
  (void)state;
  const float *y;
  if (scratch_begin("saved")) return 1;
  original = model_from_text(SAME, &SHAPE(INPUTS));
  for (int i = 0; i < SAMPLES * INPUTS; i++) x[i] = sinf((float)i);
  GOOD(model_forward(original, x, SAMPLES, PL_INFER, &y, &err));
  memcpy(want, y, sizeof want);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  drop_model(original);
  return 0;
}

static void what_was_saved_predicts(void **state) {
  static float y[SAMPLES * CLASSES], p[SAMPLES * CLASSES];
  static int32_t labels[SAMPLES];
  pl_error err = { 0 };
  (void)state;
  write_model(at("good.h5"), original, config, "[3]", "{\"type\":\"CrossEntropy\",\"config\":{}}", -1);
  pl_saved *saved = pl_model_load(at("good.h5"), &err);
  if (saved == NULL) fail_msg("%s", err.text);
  assert_int_equal(pl_saved_outputs(saved), PL_OUTPUT_LOGITS);
  assert_string_equal(pl_layer_name(pl_layer_child(pl_model_root(pl_saved_model(saved)), 0)), "12");
  assert_string_equal(pl_layer_name(pl_layer_child(pl_model_root(pl_saved_model(saved)), 3)), "out");
  GOOD(pl_model_predict(saved, x, SAMPLES, &(pl_predicted){ y, p, labels }, &err));
  assert_memory_equal(y, want, sizeof y);
  for (int i = 0; i < SAMPLES; i++) {
    int best = 0;
    float sum = 0;
    for (int k = 0; k < CLASSES; k++) {
      if (want[i * CLASSES + k] > want[i * CLASSES + best]) best = k;
      sum += p[i * CLASSES + k];
    }
    assert_int_equal(labels[i], best);
    assert_true(fabsf(sum - 1) < 1e-5f);
  }
  GOOD(pl_model_predict(saved, x, SAMPLES, &(pl_predicted){ 0 }, &err));
  pl_saved_free(saved);
}

/* Saved from C what was loaded from C: the same model again, names that read as numbers too. */
static void what_c_saved_is_the_same(void **state) {
  static float y[SAMPLES * CLASSES];
  pl_error err = { 0 };
  (void)state;
  write_model(at("good.h5"), original, config, "[3]", NULL, -1);
  pl_saved *first = pl_model_load(at("good.h5"), &err);
  pl_loss *loss = pl_loss_new("MSE", NULL, &err);
  if (first == NULL || loss == NULL) fail_msg("%s", err.text);
  GOOD(pl_model_save(pl_saved_model(first), loss, at("again.h5"), &err));
  pl_saved *again = pl_model_load(at("again.h5"), &err);
  if (again == NULL) fail_msg("%s", err.text);
  assert_int_equal(pl_saved_outputs(again), PL_OUTPUT_VALUES);
  for (int i = 0; i < 4; i += 3)
    assert_string_equal(pl_layer_name(pl_layer_child(pl_model_root(pl_saved_model(again)), i)), i ? "out" : "12");
  GOOD(pl_model_predict(again, x, SAMPLES, &(pl_predicted){ .outputs = y }, &err));
  assert_memory_equal(y, want, sizeof y);
  pl_loss_free(loss);
  pl_saved_free(first);
  pl_saved_free(again);
}

/* What is printed is parsed to the same, also what JSON has not or would read as something else. */
static void descriptions_are_kept(void **state) {
  static const char *const texts[] = { "", "plain", "12", "-1e5", "+3", " 7", "0x1F", "inf", "-inf", "nan", "~", "~12",
                                       "%41", "\xc3\xa9" };
  static const double numbers[] = { 0.1, 3, -0.0, 1e300, 1.0 / 3, INFINITY, -INFINITY, NAN };
  enum { TEXTS = sizeof texts / sizeof *texts, NUMBERS = sizeof numbers / sizeof *numbers };
  pl_error err;
  (void)state;
  cJSON *list = cJSON_CreateArray();
  for (int i = 0; i < TEXTS; i++) cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
  for (int i = 0; i < NUMBERS; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(numbers[i]));
  char *text = pl_lossless_print(list);
  cJSON *again = pl_lossless_parse(text, strlen(text), &err);
  for (int i = 0; i < TEXTS; i++) assert_string_equal(cJSON_GetArrayItem(again, i)->valuestring, texts[i]);
  for (int i = 0; i < NUMBERS; i++) {
    double found = cJSON_GetArrayItem(again, TEXTS + i)->valuedouble;
    assert_true(isnan(numbers[i]) ? isnan(found) : found == numbers[i]);
  }
  cJSON_free(text);
  cJSON_Delete(list);
  cJSON_Delete(again);
}

/* Shared layers are there once; statistics of a batch normalization are there; the root may be a layer by itself. */
static void all_kinds_of_models_are_saved(void **state) {
  static const char *const models[] = {
    "{\"type\":\"Linear\",\"config\":[3,3]}",
    "{\"type\":\"Sequential\",\"layers\":[{\"type\":\"Linear\",\"config\":[3,3]},{\"type\":\"Tanh\"},{\"shared\":2},"
    "{\"type\":\"BatchNorm\",\"config\":[3]},{\"type\":\"Residual\",\"layers\":[{\"shared\":2}]}]}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    float y[9], z[9];
    const float *out;
    pl_error err = { 0 };
    pl_model *model = model_from_text(models[i], &SHAPE(INPUTS));
    GOOD(model_forward(model, x, 3, PL_TRAIN, &out, &err));   /* moves the statistics */
    GOOD(model_forward(model, x, 3, PL_INFER, &out, &err));
    memcpy(y, out, sizeof y);
    GOOD(pl_model_save(model, NULL, at("kind.h5"), &err));
    pl_saved *saved = pl_model_load(at("kind.h5"), &err);
    if (saved == NULL) fail_msg("%s", err.text);
    GOOD(pl_model_predict(saved, x, 3, &(pl_predicted){ .outputs = z }, &err));
    assert_memory_equal(y, z, sizeof y);
    pl_saved_free(saved);
    drop_model(model);
  }
}

static void what_cannot_be_saved_is_said(void **state) {
  pl_error err = { 0 };
  (void)state;
  assert_int_equal(pl_model_save(original, NULL, at("no/such/folder.h5"), &err), PL_ERROR_IO);
  assert_non_null(strstr(err.text, "no/such/folder.h5"));
  pl_layer *root = pl_layer_new("Tanh", NULL, &err);
  pl_model *unbuilt = pl_model_new(root, &err);
  assert_int_equal(pl_model_save(unbuilt, NULL, at("unbuilt.h5"), &err), PL_ERROR_STATE);
  assert_int_equal(pl_model_save(unbuilt, NULL, at("unbuilt.h5"), NULL), PL_ERROR_STATE);
  pl_model_free(unbuilt);
  pl_layer_free_tree(root);
}

static void values_have_no_probabilities(void **state) {
  float p[CLASSES];
  pl_error err = { 0 };
  (void)state;
  write_model(at("values.h5"), original, config, "[3]", "{\"type\":\"MSE\",\"config\":{}}", -1);
  pl_saved *saved = pl_model_load(at("values.h5"), &err);
  assert_non_null(saved);
  assert_int_equal(pl_model_predict(saved, x, 1, &(pl_predicted){ .probabilities = p }, &err), PL_ERROR_VALUE);
  assert_non_null(strstr(err.text, "values"));
  pl_saved_free(saved);
}

static void refused(const char *text, const char *input, const char *loss, int wrong, const char *message) {
  pl_error err = { 0 };
  write_model(at("bad.h5"), original, text, input, loss, wrong);
  assert_null(pl_model_load(at("bad.h5"), &err));
  if (strstr(err.text, message) == NULL || strstr(err.text, "bad.h5") == NULL || strchr(err.text, '\n') != NULL)
    fail_msg("'%s' is not about '%s'", err.text, message);
  assert_null(pl_model_load(at("bad.h5"), NULL));
}

static void what_is_wrong_is_said(void **state) {
  (void)state;
  refused(NULL, "[3]", NULL, -1, "holds no model");
  refused("{", "[3]", NULL, -1, "not JSON");
  refused("[]", "[3]", NULL, -1, "a layer without a type");
  refused("{\"type\":\"Nothing\"}", "[3]", NULL, -1, "Nothing");
  refused("{\"type\":\"Sequential\",\"layers\":[{\"type\":\"Lambda\",\"config\":{}}]}", "[3]", NULL, -1,
          "has a Lambda");
  refused(config, NULL, NULL, -1, "does not say the shape");
  refused(config, "[\"nan\"]", NULL, -1, "is not one");
  refused(config, "[\"3.5\"]", NULL, -1, "is not one");
  refused(config, "[1,1,1,1,1,1,3]", NULL, -1, "is not one");
  refused(config, "[4]", NULL, -1, "expects 3 features");
  refused(config, "[3]", "{\"type\":\"None\"}", -1, "None");
  refused(config, "[3]", NULL, 2, "03_residual/01_linear/weight: expected f32 [5, 5], found f32 [25, 1]");
  refused("{\"type\":\"Sequential\",\"layers\":[{\"type\":\"Linear\",\"config\":{\"in\":3,\"out\":5}},"
          "{\"type\":\"Tanh\"},{\"type\":\"Linear\",\"config\":{\"in\":5,\"out\":4}}]}", "[3]", NULL, -1, "03_linear");
}

/* The same files as nn.load takes, and no others. */
static void files_of_another_kind_are_refused(void **state) {
  (void)state;
  root.format = NULL;
  refused(config, "[3]", NULL, -1, "holds no Perilune run and no model");
  root.format = "perilune-runs";
  refused(config, "[3]", NULL, -1, "holds no Perilune run and no model");
  root.format = "perilune-run";
  root.version = 3;
  refused(config, "[3]", NULL, -1, "use a newer Perilune");
  root.version = 2;
  static const char *const more[] = { "/model/layers/05_linear/weight", "/model/layers/01_linear/scale",
                                      "/model/layers/03_residual/02_linear/bias", "/model/layers/values" };
  for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
    char message[200];
    snprintf(message, sizeof message, "%s belongs to no layer", root.more = more[i]);
    refused(config, "[3]", NULL, -1, message);
  }
  root.more = NULL;
}

static void any_allocation_may_fail(void **state) {
  float y[CLASSES];
  size_t before = pl_alloc_live();
  (void)state;
  write_model(at("good.h5"), original, config, "[3]", "{\"type\":\"CrossEntropy\",\"config\":{}}", -1);
  for (long n = 1;; n++) {
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_saved *saved = pl_model_load(at("good.h5"), &err);
    pl_status status = saved ? pl_model_predict(saved, x, 1, &(pl_predicted){ .outputs = y }, &err) : err.status;
    bool failed = pl_alloc_failed();
    pl_alloc_fail_at(0);
    if (saved == NULL || status != PL_OK) assert_int_equal(status, PL_ERROR_MEMORY);
    else assert_memory_equal(y, want, sizeof y);
    pl_saved_free(saved);
    assert_int_equal(pl_alloc_live(), before);
    if (!failed) break;
  }
}

static void any_allocation_of_a_save_may_fail(void **state) {
  size_t before = pl_alloc_live();
  (void)state;
  for (long n = 1;; n++) {
    pl_error err = { 0 };
    pl_alloc_fail_at(n);
    pl_status status = pl_model_save(original, NULL, at("short.h5"), &err);
    bool failed = pl_alloc_failed();
    pl_alloc_fail_at(0);
    if (status != PL_OK) assert_int_equal(status, PL_ERROR_MEMORY);
    assert_int_equal(pl_alloc_live(), before);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_saved_predicts), cmocka_unit_test(what_c_saved_is_the_same),
    cmocka_unit_test(descriptions_are_kept),
    cmocka_unit_test(all_kinds_of_models_are_saved), cmocka_unit_test(what_cannot_be_saved_is_said),
    cmocka_unit_test(any_allocation_of_a_save_may_fail),
    cmocka_unit_test(values_have_no_probabilities),
    cmocka_unit_test(what_is_wrong_is_said), cmocka_unit_test(files_of_another_kind_are_refused),
    cmocka_unit_test(any_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
