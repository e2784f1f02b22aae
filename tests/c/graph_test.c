/* Graphs that containers do not build: a layer used twice, a value used three times, operations of several inputs.
   Gradients are those of finite differences and of models in which the same is written out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "layers/layer.h"
#include "support_model.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"

/* A container for tests: `wire` calls its children as it likes. */
typedef pl_status (*wire_fn)(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err);
static wire_fn wire;
static pl_status trace(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  return wire(self, g, in, out, err);
}
static const pl_option none[] = { { 0 } };
static const pl_layer_class wired = { .head = { "Wired", 0, NULL, none }, .most_children = 10, .trace = trace };

static pl_layer *layer(const char *text) {
  pl_error err = { 0 };
  pl_layer *made = layer_from_text(text, &err);
  if (made == NULL) fail_msg("%s", err.text);
  return made;
}

static pl_model *model_of(wire_fn fn, const char *const *children, const pl_shape *sample) {
  pl_error err = { 0 };
  pl_layer *root = pl_alloc(sizeof *root, &err);
  root->cls = &wired;
  wire = fn;
  for (; *children; children++) assert_int_equal(pl_layer_add(root, layer(*children), &err), PL_OK);
  pl_model *model = pl_model_new(root, &err);
  if (model == NULL || pl_model_build(model, sample, &err) || pl_model_initialize(model, 3, &err))
    fail_msg("%s", err.text);
  return model;
}

enum { BATCH = 3, MOST = 4096 };
static float x[MOST], dy[MOST];

static double value_of(pl_model *model, pl_exec *exec) {
  const float *y;
  pl_error err = { 0 };
  double sum = 0;
  pl_model_set_random(model, 4, 0);
  if (pl_exec_forward(exec, x, BATCH, PL_TRAIN, &y, &err)) fail_msg("%s", err.text);
  for (size_t i = 0; i < BATCH * (size_t)pl_shape_count(pl_exec_output(exec)); i++) sum += (double)y[i] * (double)dy[i];
  return sum;
}

static void near(double got, double wanted, const char *what, size_t i) {
  if (fabs(got - wanted) > 2e-2 * (fabs(got) + fabs(wanted)) + 3e-3)
    fail_msg("%s %zu: %g, by differences %g", what, i, got, wanted);
}

/* All gradients against central differences; twice, since the second pass adds to the first. */
static void check_differences(pl_model *model) {
  static float dx[MOST], grads[MOST];
  pl_error err = { 0 };
  pl_exec *exec = pl_exec_new(model, &err);
  size_t inputs = BATCH * (size_t)pl_shape_count(pl_exec_input(exec)), params = pl_model_size(model);
  float *w = pl_model_values(model);
  const float h = 1e-2f;
  pl_model_zero_grads(model);
  for (int twice = 1; twice <= 2; twice++) {
    value_of(model, exec);
    assert_int_equal(pl_exec_backward(exec, dy, dx, &err), PL_OK);
    for (size_t i = 0; i < params; i++) if (twice == 2)
      near((double)pl_model_grads(model)[i], 2 * (double)grads[i], "added", i);
    if (params) memcpy(grads, pl_model_grads(model), params * sizeof *grads);
  }
  for (size_t i = 0; i < params; i++) grads[i] /= 2;
  for (size_t i = 0; i < inputs; i++) {
    float kept = x[i];
    x[i] = kept + h;
    double up = value_of(model, exec);
    x[i] = kept - h;
    double down = value_of(model, exec);
    x[i] = kept;
    near((double)dx[i], (up - down) / (2 * (double)h), "input", i);
  }
  for (size_t i = 0; i < params; i++) {
    float kept = w[i];
    w[i] = kept + h;
    double up = value_of(model, exec);
    w[i] = kept - h;
    double down = value_of(model, exec);
    w[i] = kept;
    near((double)grads[i], (up - down) / (2 * (double)h), "parameter", i);
  }
  pl_exec_free(exec);
}

static pl_status call_twice(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  for (int i = 0; i < 2; i++) for (int k = 0; k < self->children; k++)
    if (pl_graph_call(g, self->child[k], in, &in, err)) return PL_ERROR_SHAPE;
  *out = in;
  return PL_OK;
}

/* y = (a a b) | a, where a and b are made of x, and x is used three times. */
static pl_status use_thrice(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  int a, b, c;
  if (pl_graph_call(g, self->child[0], in, &a, err) || pl_graph_call(g, self->child[1], in, &b, err))
    return PL_ERROR_SHAPE;
  if (pl_graph_combine(g, &pl_multiply, self, (int[]){ a, a, b }, 3, &c, err)) return PL_ERROR_SHAPE;
  return pl_graph_combine(g, &pl_concat, self, (int[]){ c, in, a }, 3, out, err);
}

/* Sums of three, and of one value twice; a way that leads nowhere. */
static pl_status sum_up(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  int a, b, nowhere;
  if (pl_graph_call(g, self->child[0], in, &a, err) || pl_graph_call(g, self->child[1], a, &nowhere, err))
    return PL_ERROR_SHAPE;
  if (pl_graph_combine(g, &pl_add, self, (int[]){ a, a }, 2, &b, err) || pl_graph_combine(g, &pl_add, self,
      (int[]){ b, in, a }, 3, out, err)) return PL_ERROR_SHAPE;
  return PL_OK;
}

/* What fused operations must see: a ReLU whose input, or whose output, another operation uses. */
static pl_status no_fusion(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  int a, b;
  if (pl_graph_call(g, self->child[0], in, &a, err) || pl_graph_call(g, self->child[1], a, &b, err))
    return PL_ERROR_SHAPE;
  return pl_graph_combine(g, &pl_add, self, (int[]){ a, b, b }, 3, out, err);
}

static void differences(void **state) {
  const pl_shape four = { 1, { 4 } }, image = { 3, { 4, 4, 2 } };
  const struct { wire_fn fn; const char *children[4]; const pl_shape *sample; } cases[] = {
    { call_twice, { LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, &four },
    { call_twice, { LAYER("Conv2d", "2,2,3,{'padding':'same'}"), LAYER("Tanh", ""), NULL }, &image },
    { call_twice, { LAYER("Linear", "4,4"), LAYER("BatchNorm", "4,{'eps':0.5}"), NULL }, &four },
    { call_twice, { LAYER("Linear", "4,4"), LAYER("Dropout", "0.3"), NULL }, &four },
    { use_thrice, { LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, &four },
    { use_thrice, { LAYER("Tanh", ""), LAYER("Sigmoid", ""), NULL }, &image },
    { sum_up, { LAYER("Tanh", ""), LAYER("Linear", "4,2"), NULL }, &four },
    { no_fusion, { LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, &four },
    { no_fusion, { LAYER("BatchNorm", "4,{'eps':0.5}"), LAYER("Sigmoid", ""), NULL }, &four },
    { no_fusion, { LAYER("Conv2d", "2,2,3,{'padding':'same'}"), LAYER("Tanh", ""), NULL }, &image },
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) for (int threads = 1; threads <= 3; threads += 2) {
    pl_threads_set(threads);
    pl_model *model = model_of(cases[i].fn, cases[i].children, cases[i].sample);
    check_differences(model);
    drop_model(model);
  }
  pl_threads_set(0);
}

/* Output, gradient of the input, of the weight and of the bias, by PyTorch: tests/golden/make_graph.py. */
static const float torch_twice[] = {
  -0.0614578503f, -0.0269500823f, -0.222511317f, 0.292248994f, -0.363888104f, 0.274458245f, -0.024701465f,
  0.0199366845f, -0.0449896051f, -0.0205010302f, -0.204517937f, 0.191513257f, -0.00915275065f, 0.0567600716f,
  -0.0649987403f, 0.114270197f, 0.390404502f, -0.10800019f, 0.218722701f, -0.129314374f, -0.269940218f,
  0.103198499f, -0.134324264f, 0.10016537f, -0.210074599f, -0.0492380562f, -0.171771328f, -0.0223311783f,
  -0.526333731f, 0.283111134f, 0.0212465806f, 0.221675557f, 0.541334231f, -0.301293666f, 0.0526096179f,
  -0.242760795f, 0.00112126314f, -0.239162698f, -0.154465257f, -0.209359117f, -0.288921098f, 0.24058723f,
  0.571245426f, -0.157380714f
};
static const float torch_thrice[] = {
  -0.0187629451f, -0.0109598227f, 0.0649852252f, -0.162914349f, -0.75f, -0.125f, 0.5f,
  -0.5f, -0.171875f, 0.296875f, -0.375f, -0.59375f, 3.03596196e-05f, 0.0620262649f,
  -0.0574626061f, 0.101137977f, 0.125f, 0.75f, -0.25f, 0.375f, -0.015625f,
  -0.3125f, 0.484375f, 0.53125f, -0.0391306933f, 0, 0.0438697046f, -0.119773261f,
  -0.625f, 0, 0.625f, -0.375f, -0.265625f, 0.296875f, -0.28125f,
  -0.578125f, 0.565433177f, -0.528344559f, 0.266528668f, -0.660556332f, 0.402183874f, 0.101749038f,
  -0.300419982f, -0.00986789643f, -0.829590286f, 0.243925373f, 0.33760161f, 0.113674485f, -0.0560795044f,
  -0.178077626f, 0.0754805164f, 0.112825485f, 0.104712965f, -0.365340759f, 0.0986020747f, 0.258574439f,
  0.0608017333f, 0.137405253f, -0.0228596985f, -0.205051606f, 0.00823748319f, -0.252982879f, 0.0847291397f,
  0.171125067f, 0.25726795f, -0.299621012f, 0.0369944933f, 0.233198327f
};

static void numbers(float *out, size_t n, size_t step, size_t modulus) {
  for (size_t i = 0; i < n; i++) out[i] = ((float)(i * step % modulus) - (float)(modulus / 2)) / 8;
}

static void check_torch(wire_fn fn, const char *const *children, const float *expected, size_t outputs) {
  float input[12], given[36], dx[12], got[200];
  const float *y;
  pl_error err = { 0 };
  pl_model *model = model_of(fn, children, &(pl_shape){ 1, { 4 } });
  numbers(pl_model_values(model), 16, 7, 11);
  numbers(pl_model_values(model) + 16, 4, 3, 5);
  numbers(input, 12, 5, 13);
  numbers(given, 3 * outputs, 3, 7);
  assert_int_equal(model_forward(model, input, 3, PL_TRAIN, &y, &err), PL_OK);
  memcpy(got, y, 3 * outputs * sizeof *y);
  assert_int_equal(model_backward(model, given, dx, &err), PL_OK);
  memcpy(got + 3 * outputs, dx, sizeof dx);
  memcpy(got + 3 * outputs + 12, pl_model_grads(model), 20 * sizeof *got);
  for (size_t i = 0; i < 3 * outputs + 32; i++)
    if (!(fabs((double)got[i] - (double)expected[i]) <= 2e-6))
      fail_msg("%zu: %g, PyTorch %g", i, (double)got[i], (double)expected[i]);
  drop_model(model);
}

static void as_pytorch(void **state) {
  (void)state;
  check_torch(call_twice, (const char *const[]){ LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, torch_twice, 4);
  check_torch(use_thrice, (const char *const[]){ LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, torch_thrice, 12);
}

static pl_status in_a_row(pl_layer *self, pl_graph *g, int in, int *out, pl_error *err) {
  for (int k = 0; k < self->children; k++) if (pl_graph_call(g, self->child[k], in, &in, err)) return PL_ERROR_SHAPE;
  *out = in;
  return PL_OK;
}

/* One layer twice, and two layers with the same weights: the same output; its gradient is the sum of theirs, to the
   bit. Through a sink too:
   gradients of shared weights come from memory. */
static bool count(void *context, const pl_grad_tile *tile) {
  (void)tile;
  ++*(int *)context;
  return true;
}

typedef struct { pl_exec *exec; pl_batch batch; pl_grad_sink sink; } step;

static void take_step(const pl_team *team, void *arg) {
  step *s = arg;
  pl_stages stages = { .team = team };
  pl_exec_forward_stages(s->exec, &stages, &s->batch);
  pl_stage_barrier_wait(&stages);
  pl_exec_backward_stages(s->exec, &stages, &s->batch);
  pl_stage_barrier_wait(&stages);
  pl_exec_param_grads_stages(s->exec, &stages, &s->batch, &s->sink);
  pl_stage_end(&stages);
}

static void shared_weights(void **state) {
  const pl_shape four = { 1, { 4 } };
  const float *y, *z;
  pl_error err = { 0 };
  (void)state;
  pl_model *shared = model_of(call_twice, (const char *const[]){ LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL },
                              &four);
  pl_model *apart = model_of(in_a_row, (const char *const[]){ LAYER("Linear", "4,4"), LAYER("Tanh", ""),
                                                              LAYER("Linear", "4,4"), LAYER("Tanh", ""), NULL }, &four);
  memcpy(pl_model_values(apart), pl_model_values(shared), 32 * sizeof(float));
  memcpy(pl_model_values(apart) + 32, pl_model_values(shared), 32 * sizeof(float));
  assert_int_equal(model_forward(shared, x, BATCH, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(model_forward(apart, x, BATCH, PL_TRAIN, &z, &err), PL_OK);
  assert_memory_equal(y, z, BATCH * 4 * sizeof *y);
  assert_int_equal(model_backward(shared, dy, NULL, &err), PL_OK);
  assert_int_equal(model_backward(apart, dy, NULL, &err), PL_OK);
  const float *one = pl_model_grads(shared), *two = pl_model_grads(apart);
  for (size_t i = 0; i < 20; i++) near((double)one[i], (double)two[i] + (double)two[32 + i], "shared", i);
  float before[32];
  memcpy(before, one, sizeof before);
  memset(pl_model_grads(shared), 0xff, sizeof before);
  int tiles = 0;
  float last[BATCH * 4];
  memcpy(last, dy, sizeof last);
  assert_int_equal(pl_exec_reserve(exec_of(shared), BATCH, PL_TRAIN, &err), PL_OK);
  pl_threads_run_on(1, take_step, &(step){ exec_of(shared), { x, last, BATCH, 1 }, { count, &tiles } });
  assert_int_equal(tiles, 2);   /* weight and bias, once each */
  assert_memory_equal(pl_model_grads(shared), before, 16 * sizeof *before);
  drop_model(shared);
  drop_model(apart);
}

/* The first call of a layer draws the random numbers that it has always drawn, the second others. */
static void calls_have_random_numbers_of_their_own(void **state) {
  const pl_shape many = { 1, { 1000 } };
  const float *y, *z;
  pl_error err = { 0 };
  float ones[1000];
  size_t both = 0, first = 0;
  (void)state;
  for (size_t i = 0; i < 1000; i++) ones[i] = 1;
  pl_model *once = model_of(in_a_row, (const char *const[]){ LAYER("Dropout", "0.5"), NULL }, &many);
  pl_model *twice = model_of(call_twice, (const char *const[]){ LAYER("Dropout", "0.5"), NULL }, &many);
  pl_model_set_random(once, 5, 0);
  pl_model_set_random(twice, 5, 0);
  assert_int_equal(model_forward(once, ones, 1, PL_TRAIN, &y, &err), PL_OK);
  assert_int_equal(model_forward(twice, ones, 1, PL_TRAIN, &z, &err), PL_OK);
  for (size_t i = 0; i < 1000; i++) {
    first += y[i] != 0;
    both += z[i] != 0;
    assert_true(z[i] == 0 || y[i] != 0);
  }
  assert_in_range(first, 450, 550);
  assert_in_range(both, 200, 300);
  drop_model(once);
  drop_model(twice);
}

static void shapes_that_do_not_fit(void **state) {
  const struct { const pl_layer_class *cls; const char *says; } cases[] = {
    { &pl_add, "Wired: adds two paths of the same shape, got [N, 4] from the branch and [N, 3] from the shortcut" },
    { &pl_multiply, "Wired: multiplies values of the same shape, got [N, 4] and [N, 3]" },
    { &pl_concat, NULL } };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pl_error err = { 0 };
    int b, c;
    pl_layer *linear = layer(LAYER("Linear", "4,3")), owner = { .cls = &wired, .type = wired.head.type };
    pl_graph *g = pl_graph_new(&(pl_shape){ 1, { 4 } }, &err);
    assert_int_equal(pl_graph_call(g, linear, 0, &b, &err), PL_OK);
    pl_status status = pl_graph_combine(g, cases[i].cls, &owner, (int[]){ 0, b }, 2, &c, &err);
    assert_int_equal(status, cases[i].says ? PL_ERROR_SHAPE : PL_OK);
    if (cases[i].says && strncmp(err.text, cases[i].says, strlen(cases[i].says))) fail_msg("%s", err.text);
    pl_graph_release(g);
    pl_layer_free(linear);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(differences), cmocka_unit_test(as_pytorch),
                                      cmocka_unit_test(shared_weights),
    cmocka_unit_test(calls_have_random_numbers_of_their_own), cmocka_unit_test(shapes_that_do_not_fit) };
  if (pl_cpu_select(NULL, NULL)) return 1;
  pl_rng_fill_normal(x, MOST, (pl_rng){ 1, 1 }, 0, 1);
  pl_rng_fill_normal(dy, MOST, (pl_rng){ 1, 2 }, 0, 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
