/* A planned training pass is compared with its operations one by one: a kernel that only the plan calls (fused), or
   that is wrong for some sizes, is found; and without one nothing is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "graph/plan.h"
#include "kernels/kernels.h"
#include "perilune/loss.h"
#include "support_model.h"

enum { ROWS = 200, IN = 6 };

/* h = relu(linear(x)), y = linear(softmax(h) + h / 2): the gradients of h's two uses are added and pass ReLU in one. */
static const char net[] = SEQUENTIAL(
  "{'type':'Formula','config':{'type':'Two','program':{'result':7,'steps':[{'input':1},{'in':[1],'layer':1},"
  "{'in':[2],'layer':2},{'in':[3],'op':'softmax'},{'constant':[0.5],'shape':[]},{'in':[3,5],'op':'mul'},"
  "{'in':[4,6],'op':'add'}]}},'layers':[" LAYER("Linear", "6,8") NEXT LAYER("ReLU", "") "]}" NEXT
  LAYER("BatchNorm", "8") NEXT LAYER("Dropout", "0.3") NEXT LAYER("Linear", "8,3"));

static const char loss_text[] = "{\"name\":\"Mine\",\"program\":{\"result\":9,\"steps\":[{\"input\":1},{\"input\":2},"
  "{\"in\":[1],\"op\":\"relu\"},{\"in\":[3,2],\"op\":\"mul\"},{\"constant\":[0.5],\"shape\":[]},"
  "{\"in\":[3,5],\"op\":\"sub\"},{\"in\":[6,3],\"op\":\"mul\"},{\"in\":[4,7],\"op\":\"add\"},"
  "{\"args\":[0,0,0],\"in\":[8],\"op\":\"mean\"}]}}";

static float x[ROWS * IN], target[ROWS * 3], output[ROWS * 3];
static pl_kernel_table right;

static void fill(float *out, size_t n, uint64_t stream) {
  pl_rng_fill_normal(out, n, pl_rng_make(1, PL_FOR_USER, stream, 0), 0, 1);
}

static void wrong_fused(float *dx, const float *a, const float *b, const float *y, size_t n) {
  right.add_relu_backward(dx, a, b, y, n);
  for (size_t i = 0; i < n; i++) if (dx[i] != 0) dx[i] *= 1.0000002f;
}

static void a_wrong_fused_kernel_is_found(void **state) {
  (void)state;
  pl_model *model = model_from_text(net, &SHAPE(IN));
  pl_error err = { 0 };
  static float before[64], states[64];
  size_t n = pl_model_states_size(model);
  assert_true(n > 0 && n <= 64 && pl_model_size(model) > 64);
  memcpy(states, pl_model_states(model), n * sizeof *states);
  memcpy(before, pl_model_values(model), sizeof before);
  for (int threads = 1; threads <= 3; threads++) {
    pl_threads_set(threads);
    pl_exec *exec = pl_exec_new(model, &err);
    assert_true(pl_exec_has_formulas(exec));
    assert_int_equal(pl_exec_verify(exec, x, ROWS, 1, &err), PL_OK);
    pl_kernel.add_relu_backward = wrong_fused;
    assert_int_equal(pl_exec_verify(exec, x, ROWS, 1, &err), PL_ERROR_STATE);
    pl_kernel = right;
    assert_non_null(strstr(err.text, "layer 1.1 (Linear): the gradient of 'weight' differs"));
    assert_non_null(strstr(err.text, "PERILUNE_FUSE=0"));
    pl_exec_free(exec);
  }
  assert_memory_equal(states, pl_model_states(model), n * sizeof *states);      /* as if nothing had run */
  assert_memory_equal(before, pl_model_values(model), sizeof before);
  for (size_t i = 0; i < pl_model_size(model); i++) assert_true(pl_model_grads(model)[i] == 0);
  drop_model(model);
  pl_threads_set(0);
}

static void wrong_add_to_rows(float *y, const float *bias, size_t rows, size_t cols, size_t stride) {
  right.add_to_rows(y, bias, rows, cols, stride);
  y[0] += 0.001f;
}

/* x:matmul(w) + b runs as Linear: what it is compared with are the product and the sum. */
static void a_wrong_kernel_of_a_recognised_product_is_found(void **state) {
  (void)state;
  pl_error err = { 0 };
  pl_model *model = model_from_text(SEQUENTIAL(
    "{'type':'Formula','config':{'type':'Own','params':[{'name':'b','shape':[3]},{'name':'w','shape':[6,3]}],"
    "'program':{'result':5,'steps':[{'input':1},{'param':'w'},{'in':[1,2],'op':'matmul'},{'param':'b'},"
    "{'in':[3,4],'op':'add'}]}}}"), &SHAPE(IN));
  pl_exec *exec = pl_exec_new(model, &err);
  assert_int_equal(pl_exec_verify(exec, x, ROWS, 1, &err), PL_OK);
  pl_kernel.add_to_rows = wrong_add_to_rows;
  assert_int_equal(pl_exec_verify(exec, x, ROWS, 1, &err), PL_ERROR_STATE);
  pl_kernel = right;
  assert_non_null(strstr(err.text, "the model's output differs"));
  pl_exec_free(exec);
  drop_model(model);
}

/* An exec is compared in the shapes that it keeps, whatever the model was built for since. */
static void a_model_built_for_another_shape(void **state) {
  (void)state;
  pl_error err = { 0 };
  pl_model *model = model_from_text(SEQUENTIAL("{'type':'Formula','config':{'type':'Soft','program':{'result':2,"
    "'steps':[{'input':1},{'in':[1],'op':'softmax'}]}}}"), &SHAPE(IN));
  pl_exec *exec = pl_exec_new(model, &err);
  assert_int_equal(pl_model_build(model, &SHAPE(2 * IN), &err), PL_OK);
  if (pl_exec_verify(exec, x, ROWS, 1, &err)) fail_msg("%s", err.text);
  pl_exec_follow(exec);
  if (pl_exec_verify(exec, x, ROWS / 2, 1, &err)) fail_msg("%s", err.text);
  drop_model(model);
  pl_exec_free(exec);
}

static void any_nan_is_the_same(void **state) {
  (void)state;
  float a[] = { 1, NAN, 2 }, b[] = { 1, -NAN, 2 };
  assert_int_equal(pl_first_difference(a, b, 3), 3);
  b[2] = 3;
  assert_int_equal(pl_first_difference(a, b, 3), 2);
  b[1] = 1;
  assert_int_equal(pl_first_difference(a, b, 3), 1);
}

/* For the values of a chunk of 64 rows alone. */
static void wrong_in_chunks(int code, float *y, const float *a, const float *b, const float *c, size_t n) {
  right.elementwise(code, y, a, b, c, n);
  if (n == 64 * 3) y[0] += 0.001f;
}

static void a_wrong_kernel_of_a_loss_is_found(void **state) {
  (void)state;
  pl_error err = { 0 };
  cJSON *config = cJSON_Parse(loss_text);
  pl_loss *loss = pl_loss_new_formula(config, NULL, NULL, &err);
  pl_target targets = { .values = target };
  assert_non_null(loss);
  assert_int_equal(pl_loss_check(loss, &SHAPE(3), &SHAPE(3), false, &err), PL_OK);
  assert_int_equal(pl_loss_verify(loss, output, targets, ROWS, &err), PL_OK);
  pl_kernel.elementwise = wrong_in_chunks;
  assert_int_equal(pl_loss_verify(loss, output, targets, ROWS, &err), PL_ERROR_STATE);
  pl_kernel = right;
  assert_non_null(strstr(err.text, "the loss Mine differs"));
  pl_loss_free(loss);
  cJSON_Delete(config);
}

/* Others are not asked. */
static void only_models_with_formulas(void **state) {
  (void)state;
  pl_error err = { 0 };
  pl_model *model = model_from_text(SEQUENTIAL(LAYER("Linear", "6,3")), &SHAPE(IN));
  pl_exec *exec = pl_exec_new(model, &err);
  assert_false(pl_exec_has_formulas(exec));
  assert_int_equal(pl_exec_verify(exec, x, ROWS, 1, &err), PL_OK);
  pl_exec_free(exec);
  drop_model(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_wrong_fused_kernel_is_found), cmocka_unit_test(a_wrong_kernel_of_a_loss_is_found),
    cmocka_unit_test(a_wrong_kernel_of_a_recognised_product_is_found), cmocka_unit_test(any_nan_is_the_same),
    cmocka_unit_test(a_model_built_for_another_shape), cmocka_unit_test(only_models_with_formulas),
  };
  right = pl_kernel;
  fill(x, ROWS * IN, 1);
  fill(target, ROWS * 3, 2);
  fill(output, ROWS * 3, 3);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
