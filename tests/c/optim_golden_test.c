/* Twenty steps of every optimizer against PyTorch, or against its formula in double (tests/golden/make_optim.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "perilune/cpu.h"
#include "perilune/threads.h"
#include "perilune/optim.h"
#include "support_golden.h"

enum { MOST = 128, PARAMETERS = 3 };

typedef struct {
  pl_optimizer *opt;
  _Alignas(64) float values[MOST];
  _Alignas(64) float grads[MOST];
} training;

static void member(const pl_team *team, void *arg) {
  training *t = arg;
  pl_optimizer_step(t->opt, team, t->values, t->grads);
}

static size_t lay_out(pl_slice slices[PARAMETERS], const cJSON *all) {
  size_t size = 0;
  for (int i = 0; i < PARAMETERS; i++) {
    slices[i] = (pl_slice){ .name = "weight", .offset = size,
                            .count = (size_t)cJSON_GetArrayItem(cJSON_GetObjectItem(all, "sizes"), i)->valuedouble };
    snprintf(slices[i].path, sizeof slices[i].path, "%s", cJSON_GetArrayItem(cJSON_GetObjectItem(all, "layers"),
        i)->valuestring);
    size += (slices[i].count + 15) / 16 * 16;
  }
  return size;
}

static void load(float *block, const pl_slice slices[PARAMETERS], const cJSON *lists) {
  for (int i = 0; i < PARAMETERS; i++)
    golden_floats(block + slices[i].offset, slices[i].count, cJSON_GetArrayItem(lists, i));
}

static void compare(const training *t, const pl_slice slices[PARAMETERS], const cJSON *expected, const char *name,
                    int step) {
  float wanted[MOST];
  load(wanted, slices, expected);
  for (int p = 0; p < PARAMETERS; p++) {
    size_t end = slices[p].offset + slices[p].count;
    for (size_t i = slices[p].offset; i < end; i++) {
      double got = (double)t->values[i], want = (double)wanted[i];
      if (!(fabs(got - want) <= 2e-6 * (1 + fabs(want))))
        fail_msg("%s: after step %d, weight %zu of parameter %d is %.8g, expected %.8g", name, step,
                 i - slices[p].offset, p, got, want);
    }
    for (; end % 16; end++) assert_true(t->values[end] == 0);
  }
}

static void run(const cJSON *all, const cJSON *c, int threads) {
  pl_slice slices[PARAMETERS];
  pl_error err = { 0 };
  training t = { .opt = pl_optimizer_from_json(c, &err) };
  char *name = cJSON_PrintUnformatted(cJSON_GetObjectItem(c, "config"));
  if (t.opt == NULL) fail_msg("%s: %s", name, err.text);
  size_t size = lay_out(slices, all);
  if (pl_optimizer_bind(t.opt, slices, PARAMETERS, size, &err)) fail_msg("%s: %s", name, err.text);
  load(t.values, slices, cJSON_GetObjectItem(all, "start"));
  int steps = cJSON_GetObjectItem(all, "steps")->valueint, halved_after = cJSON_GetObjectItem(all,
      "halved_after")->valueint;
  for (int step = 1; step <= steps; step++) {
    char key[16];
    snprintf(key, sizeof key, "%d", step);
    load(t.grads, slices, cJSON_GetArrayItem(cJSON_GetObjectItem(all, "grads"), step - 1));
    if ((step - 1) % cJSON_GetObjectItem(all, "epoch")->valueint == 0) pl_optimizer_epoch(t.opt);
    if (step == halved_after + 1) pl_optimizer_set_lr(t.opt, pl_optimizer_lr(t.opt) / 2);
    pl_optimizer_advance(t.opt);
    pl_threads_run_on(threads, member, &t);
    const cJSON *expected = cJSON_GetObjectItem(cJSON_GetObjectItem(c, "weights"), key);
    if (expected) compare(&t, slices, expected, name, step);
  }
  cJSON_free(name);
  pl_optimizer_free(t.opt);
}

static void with_isa(const char *isa) {
  if (pl_cpu_select(isa, NULL)) skip();
  cJSON *all = golden_read("optim.json");
  const cJSON *c, *cases = cJSON_GetObjectItem(all, "cases");
  cJSON_ArrayForEach(c, cases) run(all, c, 1);
  cJSON_ArrayForEach(c, cases) run(all, c, 3);
  cJSON_Delete(all);
}

static void baseline(void **state) { (void)state; with_isa("baseline"); }
static void avx2(void **state) { (void)state; with_isa("avx2"); }
static void avx512(void **state) { (void)state; with_isa("avx512"); }
static void by_default(void **state) { (void)state; with_isa(NULL); }

static void every_type_has_a_case(void **state) {
  (void)state;
  cJSON *all = golden_read("optim.json");
  for (int i = 0; pl_optimizer_type_name(i); i++) {
    const cJSON *c;
    bool found = false;
    cJSON_ArrayForEach(c, cJSON_GetObjectItem(all, "cases")) {
      found = found || strcmp(cJSON_GetObjectItem(c, "type")->valuestring, pl_optimizer_type_name(i)) == 0;
    }
    if (!found) fail_msg("no golden case for %s", pl_optimizer_type_name(i));
  }
  cJSON_Delete(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(baseline), cmocka_unit_test(avx2), cmocka_unit_test(avx512), cmocka_unit_test(by_default),
    cmocka_unit_test(every_type_has_a_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
