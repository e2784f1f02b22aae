/* Options of layers: what is refused and in which words, and descriptions that give the same layers back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "support_model.h"
#include "perilune/alloc.h"
#include "perilune/cpu.h"

static void wrong_options(void **state) {
  static const struct { const char *layer, *message; } cases[] = {
    { "{'type':'Lineer'}", "there is no layer 'Lineer'; did you mean 'Linear'?" },
    { "{'type':'maxpool'}", "there is no layer 'maxpool'; did you mean 'MaxPool2d'?" },
    { "{'config':{}}", "a model's description has a layer without a type" },
    { LAYER("Linear", "3"), "Linear: option 'out' is missing; write Linear(in, out)" },
    { LAYER("Linear", "3,4,5"), "Linear: argument 3 (a number) is one too many; options go into a table: "
                                "Linear(in, out, { ... })" },
    { LAYER("Linear", "3,'four'"), "Linear: option 'out' takes a whole number, got a string" },
    { LAYER("Linear", "3,4,{'biass':false}"), "Linear has no option 'biass'; did you mean 'bias'?" },
    { LAYER("Linear", "3,4,{'init':'hee'}"), "Linear: option 'init': no initializer \"hee\"; did you mean \"he\"?" },
    { LAYER("Linear", "3,4,{'init':['normal',0]}"),
      "Linear: option 'init': initializer \"normal\" takes 2 numbers, got 1" },
    { LAYER("Conv2d", "1,8,5,{'pading':'same'}"), "Conv2d has no option 'pading'; did you mean 'padding'?" },
    { LAYER("Conv2d", "1,8,5,{'padding':'sane'}"),
      "Conv2d: option 'padding' is \"same\", \"valid\" or a number, got \"sane\"" },
    { LAYER("Conv2d", "1,8,2.5"), "Conv2d: option 'kernel' takes a whole number, got 2.5" },
    { LAYER("Conv2d", "1,8,5,{'bias':'sometimes'}"),
      "Conv2d: option 'bias' is one of \"false\", \"true\", \"per-position\", got \"sometimes\"" },
    { LAYER("MaxPool2d", ""), "MaxPool2d: option 'kernel' is missing; write MaxPool2d(kernel)" },
    { LAYER("MaxPool2d", "0"), "MaxPool2d: option 'kernel' must be between 1 and 256, got 0" },
    { LAYER("MaxPool2d", "2,{'strides':1}"), "MaxPool2d has no option 'strides'; did you mean 'stride'?" },
    { LAYER("MaxPool2d", "2,{'padding':2}"),
      "MaxPool2d: option 'padding' must be smaller than the kernel, got padding 2 and kernel 2" },
    { LAYER("MaxPool2d", "2,{'count_include_pad':true}"),
      "MaxPool2d has no option 'count_include_pad'; it has: kernel, stride, padding" },
    { LAYER("AvgPool2d", "2,{'count_include_pad':1}"),
      "AvgPool2d: option 'count_include_pad' takes true or false, got a number" },
    { LAYER("GlobalAvgPool2d", "2"), "GlobalAvgPool2d takes no arguments, got a number" },
    { LAYER("BatchNorm", ""), "BatchNorm: option 'features' is missing; write BatchNorm(features)" },
    { LAYER("BatchNorm", "4,{'momentum':1.5}"), "BatchNorm: option 'momentum' must be between 0 and 1, got 1.5" },
    { LAYER("BatchNorm", "4,{'epsilon':0.1}"), "BatchNorm has no option 'epsilon'; did you mean 'eps'?" },
    { LAYER("Dropout", "1"), "Dropout: option 'p' must be between 0 and 0.999999, got 1" },
    { LAYER("LeakyReLU", "-0.1"), "LeakyReLU: option 'slope' must be at least 0, got -0.1" },
    { LAYER("ELU", "'a'"), "ELU: option 'alpha' takes a number, got a string" },
    { LAYER("GELU", "{'approximate':'erf'}"), "GELU: option 'approximate' is one of \"none\", \"tanh\", got \"erf\"" },
    { LAYER("ReLU", "{'inplace':true}"), "ReLU has no option 'inplace'; it has: none" },
    { LAYER("Reshape", "[2,0]"), "Reshape: option 'shape' must be at least 1, got 0" },
    { LAYER("Tanh", "{'name':5}"), "Tanh: option 'name' takes a string of at most 47 letters" },
    { "{'type':'Tanh','layers':[{'type':'ReLU'}]}", "Tanh takes no layers" },
    { RESIDUAL(LAYER("Tanh", "") NEXT LAYER("Tanh", "") NEXT LAYER("Tanh", "")), "Residual takes no more layers" },
  };
  (void)state;
  size_t live = pl_alloc_live();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pl_error err = { 0 };
    if (layer_from_text(cases[i].layer, &err) != NULL) fail_msg("%s was accepted", cases[i].layer);
    if (strcmp(err.text, cases[i].message))
      fail_msg("%s\n  said     %s\n  expected %s", cases[i].layer, err.text, cases[i].message);
    assert_int_not_equal(err.status, PL_OK);
  }
  assert_int_equal(pl_alloc_live(), live);
}

static void wrong_shapes(void **state) {
  static const struct { const char *model; pl_shape sample; const char *message; } cases[] = {
    { SEQUENTIAL(LAYER("Conv2d", "1,16,5") NEXT LAYER("Linear", "784,10,{'name':'fc1'}")), { 3, { 32, 32, 1 } },
      "layer 2 (Linear, \"fc1\"): expects 784 features in the last axis, got [N, 28, 28, 16]" },
    { SEQUENTIAL(LAYER("Linear", "784,10")), { 3, { 28, 28, 1 } },
      "layer 1 (Linear): expects 784 features in the last axis, got [N, 28, 28, 1]; put nn.Flatten() before it" },
    { LAYER("Conv2d", "1,8,5"), { 2, { 28, 28 } },
      "Conv2d: expects images [N, H, W, 1], got [N, 28, 28]; put nn.Reshape{28, 28, 1} before it" },
    { LAYER("Conv2d", "3,8,5"), { 3, { 28, 28, 1 } },
      "Conv2d: expects images [N, H, W, 3], got [N, 28, 28, 1]; its first argument is the number of input channels" },
    { LAYER("Conv2d", "1,8,5"), { 3, { 3, 28, 1 } },
      "Conv2d: its 5x5 kernel is larger than the (padded) 3x28 image, got [N, 3, 28, 1]; use padding = \"same\" or a "
      "smaller kernel" },
    { SEQUENTIAL(LAYER("Flatten", "") NEXT SEQUENTIAL(LAYER("Tanh", "") NEXT LAYER("MaxPool2d", "2"))),
      { 3, { 4, 4, 1 } },
      "layer 2.2 (MaxPool2d): expects images [N, H, W, C], got [N, 16]; it needs height, width and channels" },
    { LAYER("AvgPool2d", "2"), { 2, { 28, 28 } },
      "AvgPool2d: expects images [N, H, W, C], got [N, 28, 28]; put nn.Reshape{28, 28, 1} before it" },
    { LAYER("MaxPool2d", "[5,2],{'padding':[1,0]}"), { 3, { 2, 9, 3 } },
      "MaxPool2d: its 5x2 window is larger than the (padded) image, got [N, 2, 9, 3]; use a smaller window or "
      "padding = \"same\"" },
    { LAYER("GlobalAvgPool2d", ""), { 1, { 7 } },
      "GlobalAvgPool2d: expects images [N, H, W, C], got [N, 7]; it needs height, width and channels" },
    { LAYER("BatchNorm", "8"), { 3, { 4, 4, 16 } },
      "BatchNorm: expects 8 features in the last axis, got [N, 4, 4, 16]; its first argument is the number of "
      "features (or channels)" },
    { LAYER("Softmax", ""), { 0, { 0 } }, "Softmax: acts along the last axis of a sample, got samples that are "
                                          "single values" },
    { LAYER("Reshape", "[7,7]"), { 1, { 50 } },
      "Reshape: makes [N, 7, 7] (49 values a sample) of [N, 50] (50 values a sample); the counts must be equal" },
    { SEQUENTIAL(LAYER("Tanh", "") NEXT RESIDUAL(LAYER("Linear", "4,5"))), { 1, { 4 } },
      "layer 2 (Residual): adds two paths of the same shape, got [N, 5] from the branch and [N, 4] from the shortcut; "
      "give the shortcut a projection, such as nn.Conv2d(in, out, 1)" },
    { SEQUENTIAL("{'type':'Residual'}"), { 1, { 4 } }, "Residual needs a branch: nn.Residual(branch [, shortcut])" },
    { LAYER("Lambda", ""), { 1, { 4 } }, "Lambda: has no function to call; a model with Lua functions is made by "
                                         "its script, not from a file" },
  };
  (void)state;
  size_t live = pl_alloc_live();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pl_error err = { 0 };
    pl_layer *root = layer_from_text(cases[i].model, &err);
    if (root == NULL) fail_msg("%s", err.text);
    pl_model *model = pl_model_new(root, &err);
    assert_non_null(model);
    if (pl_model_build(model, &cases[i].sample, &err) == PL_OK) fail_msg("%s was built", cases[i].model);
    if (strcmp(err.text, cases[i].message))
      fail_msg("%s\n  said     %s\n  expected %s", cases[i].model, err.text, cases[i].message);
    assert_false(pl_model_is_built(model));
    drop_model(model);
  }
  assert_int_equal(pl_alloc_live(), live);
}

static void where_the_layer_was_made(void **state) {
  pl_error err = { 0 };
  (void)state;
  pl_layer *root = layer_from_text(SEQUENTIAL(LAYER("Linear", "4,5")), &err);
  pl_layer_set_origin(pl_layer_child(root, 0), "x.lua:12");
  pl_model *model = pl_model_new(root, &err);
  assert_int_equal(pl_model_build(model, &SHAPE(3), &err), PL_ERROR_SHAPE);
  assert_string_equal(err.text, "x.lua:12: layer 1 (Linear): expects 4 features in the last axis, got [N, 3]");
  drop_model(model);
}

static void places(void **state) {
  pl_error err = { 0 };
  char text[PL_PATH_TEXT];
  (void)state;
  pl_layer *root = layer_from_text(SEQUENTIAL(LAYER("Tanh",
      "") NEXT RESIDUAL(SEQUENTIAL(LAYER("Conv2d", "1,1,1,{'name':'c'}")))), &err);
  pl_layer *conv = pl_layer_child(pl_layer_child(pl_layer_child(root, 1), 0), 0);
  assert_string_equal(pl_layer_path(text, conv), "02_residual/01_sequential/01_conv2d");
  assert_string_equal(pl_layer_label(text, conv), "layer 2.1.1 (Conv2d, \"c\")");
  assert_int_equal(pl_layer_add(conv, root, &err), PL_ERROR_VALUE);
  assert_int_equal(pl_layer_add(pl_layer_child(root, 1), root, &err), PL_ERROR_VALUE);
  assert_string_equal(err.text, "Residual cannot contain itself");
  assert_int_equal(pl_layer_add(pl_layer_child(root, 1), conv, &err), PL_ERROR_STATE);
  assert_string_equal(err.text, "Residual: layers that are used at several places are added before the Residual is "
                                "part of a Sequential");
  pl_layer *other = pl_layer_new("Sequential", NULL, &err);
  assert_int_equal(pl_layer_add(other, root, &err), PL_OK);
  assert_int_equal(pl_layer_add(other, conv, &err), PL_OK);   /* a second time: it stays where it is met first */
  assert_string_equal(pl_layer_path(text, conv), "01_sequential/02_residual/01_sequential/01_conv2d");
  pl_layer_free_tree(other);
}

/* Of two parents a layer knows the first; freed, that is none, and yet the other holds it. */
static void no_container_holds_itself(void **state) {
  pl_error err = { 0 };
  (void)state;
  pl_layer *inner = layer_from_text(SEQUENTIAL(LAYER("ReLU", "")), &err), *outer[2];
  for (int i = 0; i < 2; i++) {
    outer[i] = pl_layer_new("Sequential", NULL, &err);
    assert_int_equal(pl_layer_add(outer[i], inner, &err), PL_OK);
  }
  int parent = pl_layer_parent(inner) == outer[1];
  pl_layer_free(outer[parent]);
  assert_int_equal(pl_layer_add(inner, outer[1 - parent], &err), PL_ERROR_VALUE);
  assert_string_equal(err.text, "Sequential cannot contain itself");
  assert_int_equal(pl_layer_add(inner, inner, &err), PL_ERROR_VALUE);
  pl_layer_free_tree(outer[1 - parent]);
}

/* Every layer with options that are not the defaults. */
static const char everything[] = SEQUENTIAL(
  LAYER("Conv2d", "2,4,[3,2],{'stride':[2,1],'padding':[1,2],'bias':'per-position',"
        "'init':['normal',0.1,0.2],'bias_init':['constant',3],'name':'first'}") NEXT
  LAYER("Conv2d", "4,6,3,{'padding':'same','bias':false,'init':'xavier'}") NEXT LAYER("BatchNorm",
      "6,{'momentum':0.25,'eps':0.002,'affine':false,'unbiased':false}") NEXT
  LAYER("MaxPool2d", "[3,2],{'stride':[1,2],'padding':[2,1]}") NEXT LAYER("AvgPool2d",
      "2,{'padding':'same','count_include_pad':false}") NEXT
  LAYER("LeakyReLU", "0.125") NEXT LAYER("ELU", "0.375") NEXT LAYER("GELU",
      "{'approximate':'tanh'}") NEXT LAYER("Dropout", "0.0625") NEXT
  RESIDUAL(SEQUENTIAL(LAYER("Linear", "6,6,{'bias':false,'init':['uniform',-0.5,0.25]}") NEXT LAYER("Identity",
      "")) NEXT LAYER("SiLU", "")) NEXT
  LAYER("GlobalAvgPool2d", "") NEXT LAYER("Reshape", "[2,3]") NEXT LAYER("Softmax", "") NEXT LAYER("Tanh",
      "") NEXT LAYER("Sigmoid", "") NEXT LAYER("ReLU", "") NEXT
  LAYER("LogSoftmax", "") NEXT LAYER("Flatten", "") NEXT LAYER("Linear",
      "6,3,{'init':'fan_in','bias_init':'fan_in','name':'last'}") NEXT LAYER("BatchNorm", "3"));

static char *described(const pl_layer *layer) {
  cJSON *json = pl_layer_to_json(layer);
  char *text = cJSON_PrintUnformatted(json);
  cJSON_Delete(json);
  return text;
}

static void same_tree(const pl_layer *a, const pl_layer *b) {
  char p[PL_PATH_TEXT], q[PL_PATH_TEXT];
  assert_string_equal(pl_layer_type(a), pl_layer_type(b));
  assert_string_equal(pl_layer_label(p, a), pl_layer_label(q, b));
  assert_int_equal(pl_layer_params(a), pl_layer_params(b));
  for (int i = 0; i < pl_layer_params(a); i++) {
    assert_string_equal(pl_layer_param_name(a, i), pl_layer_param_name(b, i));
    assert_true(pl_shape_equal(pl_layer_param_shape(a, i), pl_layer_param_shape(b, i)));
    assert_int_equal(pl_layer_param_trained(a, i), pl_layer_param_trained(b, i));
    assert_memory_equal(pl_layer_param_value(a, i), pl_layer_param_value(b, i),
                        (size_t)pl_shape_count(pl_layer_param_shape(a, i)) * sizeof(float));
  }
  assert_int_equal(pl_layer_children(a), pl_layer_children(b));
  for (int i = 0; i < pl_layer_children(a); i++) same_tree(pl_layer_child(a, i), pl_layer_child(b, i));
}

static void descriptions_come_back(void **state) {
  pl_shape sample = SHAPE(7, 5, 2);
  pl_error err = { 0 };
  (void)state;
  pl_model *model = model_from_text(everything, &sample);
  char *text = described(pl_model_root(model));
  pl_model *again = model_from_text(text, &sample);
  char *second = described(pl_model_root(again));
  assert_string_equal(text, second);
  /* what was given is in the description */
  const char *const parts[] = {
    "\"stride\":[2,1]", "\"padding\":[1,2]", "\"bias\":\"per-position\"", "\"init\":[\"normal\",0.1,0.2]",
    "\"bias_init\":[\"constant\",3]", "\"name\":\"first\"",
    "\"padding\":\"same\"", "\"bias\":false", "\"init\":\"xavier\"", "\"momentum\":0.25", "\"eps\":0.002",
    "\"affine\":false", "\"unbiased\":false",
    "\"count_include_pad\":false", "\"slope\":0.125", "\"alpha\":0.375", "\"approximate\":\"tanh\"", "\"p\":0.0625",
    "\"shape\":[2,3]",
    "\"init\":[\"uniform\",-0.5,0.25]", "\"init\":\"fan_in\"", "\"kernel\":[3,2]",
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strstr(text, parts[i]) == NULL) fail_msg("%s is not in %s", parts[i], text);
  assert_true(pl_shape_equal(pl_model_output(model), pl_model_output(again)));
  assert_int_equal(pl_model_size(model), pl_model_size(again));
  same_tree(pl_model_root(model), pl_model_root(again));
  float x[3 * 7 * 5 * 2];
  const float *y, *z;
  pl_rng_fill_normal(x, sizeof x / sizeof *x, (pl_rng){ 3, 3 }, 0, 1);
  for (int mode = PL_INFER; mode <= PL_TRAIN; mode++) {
    assert_int_equal(model_forward(model, x, 3, (pl_mode)mode, &y, &err), PL_OK);
    assert_int_equal(model_forward(again, x, 3, (pl_mode)mode, &z, &err), PL_OK);
    assert_memory_equal(y, z, 3 * 3 * sizeof *y);
  }
  free(second);
  free(text);
  drop_model(again);
  drop_model(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(wrong_options), cmocka_unit_test(wrong_shapes), cmocka_unit_test(where_the_layer_was_made),
    cmocka_unit_test(places), cmocka_unit_test(no_container_holds_itself),
    cmocka_unit_test(descriptions_come_back),
  };
  return pl_cpu_select(NULL, NULL) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
