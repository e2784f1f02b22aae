/* Reads, checks and writes the options of a class. One reader for Lua calls and for files: both arrive as JSON. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "perilune/options.h"

static const struct { const char *name; pl_init_kind kind; int numbers; } inits[] = {
  { "zeros", PL_INIT_ZEROS, 0 }, { "constant", PL_INIT_CONSTANT, 1 }, { "uniform", PL_INIT_UNIFORM, 2 },
  { "normal", PL_INIT_NORMAL, 2 }, { "he", PL_INIT_HE, 0 }, { "he_uniform", PL_INIT_HE_UNIFORM, 0 },
  { "xavier", PL_INIT_XAVIER, 0 }, { "xavier_normal", PL_INIT_XAVIER_NORMAL, 0 }, { "lecun", PL_INIT_LECUN, 0 },
  { "fan_in", PL_INIT_FAN_IN, 0 }, { "custom", PL_INIT_CUSTOM, 0 },
};
enum { INITS = sizeof inits / sizeof inits[0] };

static bool same_letter(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

/* Edit distance; two neighbours that are exchanged count once. Of longer words the first 31 letters are compared. Upper
   and lower case are the same letter. */
static int distance(const char *a, const char *b) {
  enum { MOST = 31 };
  int n = (int)strnlen(a, MOST), m = (int)strnlen(b, MOST), d[MOST + 1][MOST + 1];
  for (int i = 0; i <= n; i++) d[i][0] = i;
  for (int j = 0; j <= m; j++) d[0][j] = j;
  for (int i = 1; i <= n; i++) {
    for (int j = 1; j <= m; j++) {
      int best = d[i - 1][j - 1] + !same_letter(a[i - 1], b[j - 1]);
      if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
      if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
      bool exchanged = i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
      if (exchanged && d[i - 2][j - 2] + 1 < best) best = d[i - 2][j - 2] + 1;
      d[i][j] = best;
    }
  }
  return d[n][m];
}

const char *pl_nearest_name(const char *word, const char *const *names) {
  const char *nearest = NULL;
  int best = ((int)strlen(word) + 1) / 3 + 1;      /* of three or four letters one may be wrong, of five to seven two */
  for (; *names; names++) {
    int d = distance(word, *names);
    bool part = strlen(*names) > 3 && strlen(word) > 3 && (strstr(*names, word) != NULL ||
                                                           strstr(word, *names) != NULL);
    bool short_for = strlen(*names) > 2 && strncmp(word, *names, strlen(*names)) == 0;
    if ((part || short_for) && d > 2) d = 2;
    if (d < best) {
      best = d;
      nearest = *names;
    }
  }
  return nearest;
}

static pl_status unknown_option(const pl_class *cls, const char *word, pl_error *err) {
  const char *names[32];
  char list[256] = "";
  int n = 0;
  for (const pl_option *o = cls->options; o->name && n < 31; o++) {
    names[n++] = o->name;
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", n > 1 ? ", " : "", o->name);
  }
  names[n] = NULL;
  const char *nearest = pl_nearest_name(word, names);
  if (nearest != NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "%s has no option '%s'; did you mean '%s'?", cls->type, word, nearest);
  return pl_error_set(err, PL_ERROR_VALUE, "%s has no option '%s'; it has: %s", cls->type, word, n ? list : "none");
}

static const char *kind_of(const cJSON *v) {
  if (cJSON_IsNumber(v)) return "a number";
  if (cJSON_IsString(v)) return "a string";
  if (cJSON_IsBool(v)) return "a boolean";
  if (cJSON_IsNull(v)) return "nil";
  return "a table";
}

static pl_status wrong(const pl_class *cls, const pl_option *o, const char *expected, const cJSON *v, pl_error *err) {
  return pl_error_set(err, PL_ERROR_TYPE, "%s: option '%s' takes %s, got %s", cls->type, o->name, expected, kind_of(v));
}

static pl_status read_number(double *out, const pl_class *cls, const pl_option *o, const cJSON *v, bool whole,
                             pl_error *err) {
  if (!cJSON_IsNumber(v)) return wrong(cls, o, whole ? "a whole number" : "a number", v, err);
  double x = v->valuedouble;
  if (whole && (x != floor(x) || fabs(x) > 1e15))
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' takes a whole number, got %.9g", cls->type, o->name, x);
  if (!isfinite(x))
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' must be finite, got %.9g", cls->type, o->name, x);
  if ((o->low != 0 || o->high != 0) && (x < o->low || x > o->high)) {
    if (o->high >= 1e15 && x < o->low)
      return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' must be at least %g, got %.9g", cls->type, o->name,
                          o->low, x);
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' must be between %g and %g, got %.9g", cls->type, o->name,
                        o->low, o->high, x);
  }
  *out = x;
  return PL_OK;
}

/* Two numbers from one (both the same, or -x and x for a range) or from an array of two. */
static pl_status read_two(double out[2], const pl_class *cls, const pl_option *o, const cJSON *v, bool whole,
                          pl_error *err) {
  if (cJSON_IsArray(v) && cJSON_GetArraySize(v) == 2) {
    for (int i = 0; i < 2; i++) {
      pl_status status = read_number(&out[i], cls, o, cJSON_GetArrayItem(v, i), whole, err);
      if (status) return status;
    }
    return PL_OK;
  }
  if (!cJSON_IsNumber(v) || o->kind == PL_OPTION_NUMBERS)
    return wrong(cls, o, o->kind == PL_OPTION_NUMBERS ? "a table of two numbers" : "a number or a table of two numbers",
                 v, err);
  pl_status status = read_number(&out[1], cls, o, v, whole, err);
  if (status) return status;
  out[0] = o->kind == PL_OPTION_RANGE ? -out[1] : out[1];
  if (out[0] != out[1] && (o->low != 0 || o->high != 0) && out[0] < o->low)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' must be between %g and %g, got { %.9g, %.9g }", cls->type,
                        o->name, o->low, o->high, out[0], out[1]);
  return PL_OK;
}

static pl_status read_choice(int *out, const pl_class *cls, const pl_option *o, const cJSON *v, pl_error *err) {
  const char *word = cJSON_IsBool(v) ? (cJSON_IsTrue(v) ? "true" : "false") : cJSON_GetStringValue(v);
  char list[256] = "";
  for (int i = 0; o->choices[i]; i++) {
    if (word != NULL && strcmp(word, o->choices[i]) == 0) {
      *out = i;
      return PL_OK;
    }
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s\"%s\"", i ? ", " : "", o->choices[i]);
  }
  if (word == NULL)
    return pl_error_set(err, PL_ERROR_TYPE, "%s: option '%s' is one of %s, got %s", cls->type, o->name, list,
                        kind_of(v));
  return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' is one of %s, got \"%s\"", cls->type, o->name, list, word);
}

static pl_status read_shape(pl_shape *out, const pl_class *cls, const pl_option *o, const cJSON *v, pl_error *err) {
  if (!cJSON_IsArray(v)) return wrong(cls, o, "a table of sizes", v, err);
  if (cJSON_GetArraySize(v) > PL_MAX_AXES)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' has more than %d axes", cls->type, o->name, PL_MAX_AXES);
  pl_shape shape = { 0 };
  const cJSON *item;
  cJSON_ArrayForEach(item, v) {
    double x;
    pl_status status = read_number(&x, cls, o, item, true, err);
    if (status) return status;
    shape.size[shape.axes++] = (int64_t)x;
  }
  *out = shape;
  return PL_OK;
}

static pl_status read_init(pl_init *out, const pl_class *cls, const pl_option *o, const cJSON *v, pl_error *err) {
  const cJSON *head = cJSON_IsArray(v) ? cJSON_GetArrayItem(v, 0) : v;
  const char *word = cJSON_GetStringValue(head);
  if (word == NULL)
    return wrong(cls, o, "an initializer: \"he\", \"xavier\", \"zeros\", {\"uniform\", low, high}, {\"normal\", mean, "
                 "std} or a function", v, err);
  const char *names[INITS + 1] = { 0 };
  for (int i = 0; i < INITS; i++) {
    names[i] = inits[i].name;
    if (strcmp(word, inits[i].name)) continue;
    int given = cJSON_IsArray(v) ? cJSON_GetArraySize(v) - 1 : 0;
    double number[2] = { 0, 0 };
    if (given != inits[i].numbers)
      return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s': initializer \"%s\" takes %d numbers, got %d",
                          cls->type, o->name, word, inits[i].numbers, given);
    for (int k = 0; k < given; k++) {
      pl_status status = read_number(&number[k], cls, o, cJSON_GetArrayItem(v, k + 1), false, err);
      if (status) return status;
    }
    if (inits[i].kind == PL_INIT_NORMAL && number[1] < 0)
      return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s': the std of \"normal\" must not be negative, got %.9g",
                          cls->type, o->name, number[1]);
    if (inits[i].kind == PL_INIT_UNIFORM && number[0] > number[1])
      return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s': \"uniform\" takes the low end first, got %g and %g",
                          cls->type, o->name, number[0], number[1]);
    *out = (pl_init){ inits[i].kind, number[0], number[1] };
    return PL_OK;
  }
  const char *nearest = pl_nearest_name(word, names);
  if (nearest != NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s': no initializer \"%s\"; did you mean \"%s\"?", cls->type,
                        o->name, word, nearest);
  return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s': no initializer \"%s\"; there are \"he\", \"xavier\", "
                      "\"lecun\", \"zeros\", {\"constant\", value}, {\"uniform\", low, high} and others", cls->type,
                      o->name, word);
}

static pl_status read_option(void *config, const pl_class *cls, const pl_option *o, const cJSON *v, pl_error *err) {
  void *field = (char *)config + o->offset;
  double two[2] = { 0, 0 };
  pl_status status = PL_OK;
  switch (o->kind) {
    case PL_OPTION_SIZE:
      status = read_number(two, cls, o, v, true, err);
      *(int64_t *)field = (int64_t)two[0];
      break;
    case PL_OPTION_NUMBER:
      status = read_number(two, cls, o, v, false, err);
      *(double *)field = two[0];
      break;
    case PL_OPTION_BOOL:
      if (!cJSON_IsBool(v)) return wrong(cls, o, "true or false", v, err);
      *(bool *)field = cJSON_IsTrue(v);
      break;
    case PL_OPTION_CHOICE:
      return read_choice(field, cls, o, v, err);
    case PL_OPTION_PADDING:
      if (cJSON_IsString(v)) {
        bool same = strcmp(v->valuestring, "same") == 0;
        if (!same && strcmp(v->valuestring, "valid"))
          return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' is \"same\", \"valid\" or a number, got \"%s\"",
                              cls->type, o->name, v->valuestring);
        ((int64_t *)field)[0] = ((int64_t *)field)[1] = same ? -1 : 0;
        break;
      } /* fallthrough */
    case PL_OPTION_PAIR:
      status = read_two(two, cls, o, v, true, err);
      ((int64_t *)field)[0] = (int64_t)two[0];
      ((int64_t *)field)[1] = (int64_t)two[1];
      break;
    case PL_OPTION_RANGE: case PL_OPTION_NUMBERS:
      status = read_two(two, cls, o, v, false, err);
      memcpy(field, two, sizeof two);
      break;
    case PL_OPTION_SHAPE:
      return read_shape(field, cls, o, v, err);
    case PL_OPTION_INIT:
      return read_init(field, cls, o, v, err);
  }
  return status;
}

static const pl_option *find_option(const pl_class *cls, const char *name, int position) {
  for (const pl_option *o = cls->options; o->name; o++) {
    if (name != NULL ? strcmp(o->name, name) == 0 : o->position == position) return o;
  }
  return NULL;
}

/* Could the option be meant by a value that was given without a name? */
static bool takes(const pl_option *o, const cJSON *v) {
  const char *word = cJSON_GetStringValue(v);
  switch (o->kind) {
    case PL_OPTION_BOOL: return cJSON_IsBool(v);
    case PL_OPTION_CHOICE:
      for (int i = 0; word != NULL && o->choices[i]; i++) if (strcmp(word, o->choices[i]) == 0) return true;
      return false;
    case PL_OPTION_PADDING: return cJSON_IsNumber(v) || (word != NULL &&
                                                         (!strcmp(word, "same") || !strcmp(word, "valid")));
    case PL_OPTION_INIT: case PL_OPTION_SHAPE: case PL_OPTION_NUMBERS: return false;
    default: return cJSON_IsNumber(v);
  }
}

/* "Conv2d(in, out, kernel": the positional arguments. */
static int write_call(char *text, size_t size, const pl_class *cls) {
  int n = snprintf(text, size, "%s(", cls->type);
  const pl_option *o;
  for (int position = 1; (o = find_option(cls, NULL, position)) != NULL; position++)
    n += snprintf(text + n, size - (size_t)n, "%s%s", position > 1 ? ", " : "", o->name);
  return n;
}

/* An argument after the positional ones: the call with it as an option is shown. */
static pl_status too_many(const pl_class *cls, int argument, const cJSON *v, uint64_t seen, pl_error *err) {
  char call[256], value[64];
  const pl_option *o = cls->options;
  if (o->name == NULL)
    return pl_error_set(err, PL_ERROR_VALUE, "%s takes no arguments, got %s", cls->type, kind_of(v));
  const pl_option *meant = NULL;
  int fitting = 0;
  for (; o->name; o++) {
    if (o->position > 0 || seen & 1ull << (o - cls->options) || !takes(o, v)) continue;
    if (fitting++ == 0) meant = o;
  }
  const char *name = fitting == 1 ? meant->name : fitting > 1 ? "option" : "...";
  if (cJSON_IsNumber(v)) snprintf(value, sizeof value, "%g", v->valuedouble);
  else if (cJSON_IsBool(v)) snprintf(value, sizeof value, "%s", cJSON_IsTrue(v) ? "true" : "false");
  else snprintf(value, sizeof value, "\"%.40s\"", cJSON_IsString(v) ? v->valuestring : "...");
  bool positional = find_option(cls, NULL, 1) != NULL;
  int n = write_call(call, sizeof call, cls);
  if (!positional) call[--n] = '\0';
  return pl_error_set(err, PL_ERROR_VALUE,
                      "%s: argument %d (%s) is one too many; options go into a table: %s%s%s%s%s }%s", cls->type,
                      argument,
                      kind_of(v), call, positional ? ", { " : " { ", name, fitting ? " = " : "", fitting ? value : "",
                      positional ? ")" : "");
}

pl_status pl_options_read(void *config, const pl_class *cls, const cJSON *args, pl_error *err) {
  pl_status status;
  uint64_t seen = 0;
  if (cls->config_size) memcpy(config, cls->defaults, cls->config_size);
  const cJSON *named = cJSON_IsObject(args) ? args : NULL;
  if (args != NULL && named == NULL && !cJSON_IsArray(args))
    return pl_error_set(err, PL_ERROR_TYPE, "%s: expected a table of options, got %s", cls->type, kind_of(args));
  if (cJSON_IsArray(args)) {
    int n = cJSON_GetArraySize(args), i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, args) {
      const pl_option *o = find_option(cls, NULL, ++i);
      if (cJSON_IsObject(item) && i == n) named = item;
      else if (o == NULL) return too_many(cls, i, item, seen, err);
      else if ((status = read_option(config, cls, o, item, err))) return status;
      else seen |= 1ull << (o - cls->options);
    }
  }
  const cJSON *item;
  if (named != NULL) cJSON_ArrayForEach(item, named) {
    const pl_option *o = find_option(cls, item->string, 0);
    if (o == NULL) return unknown_option(cls, item->string, err);
    if (seen & 1ull << (o - cls->options))
      return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' is given twice", cls->type, o->name);
    if ((status = read_option(config, cls, o, item, err))) return status;
    seen |= 1ull << (o - cls->options);
  }
  for (const pl_option *o = cls->options; o->name; o++) {
    char call[256] = "";
    if (!o->required || seen & 1ull << (o - cls->options)) continue;
    if (o->position) write_call(call, sizeof call, cls);
    return pl_error_set(err, PL_ERROR_VALUE, "%s: option '%s' is missing%s%s%s", cls->type, o->name,
                        o->position ? "; write " : "", call,
                        o->position ? ")" : "");
  }
  return PL_OK;
}

void pl_json_add(cJSON **json, const char *name, cJSON *item) {
  if (*json != NULL && item != NULL && (name ? cJSON_AddItemToObject(*json, name, item)
                                        : cJSON_AddItemToArray(*json, item))) return;
  cJSON_Delete(item);
  cJSON_Delete(*json);
  *json = NULL;
}

static cJSON *two_numbers(double a, double b) { return cJSON_CreateDoubleArray((double[]){ a, b }, 2); }

/* A choice that is true or false is JSON's; read_choice takes the words too, which older files have. */
static cJSON *write_choice(const char *word) {
  bool yes = strcmp(word, "true") == 0;
  return yes || strcmp(word, "false") == 0 ? cJSON_CreateBool(yes) : cJSON_CreateString(word);
}

static cJSON *write_init(const pl_init *init) {
  int i = 0;
  while (inits[i].kind != init->kind) i++;
  cJSON *name = cJSON_CreateString(inits[i].name);
  if (inits[i].numbers == 0) return name;
  cJSON *list = cJSON_CreateArray();
  pl_json_add(&list, NULL, name);
  pl_json_add(&list, NULL, cJSON_CreateNumber(init->a));
  if (inits[i].numbers > 1) pl_json_add(&list, NULL, cJSON_CreateNumber(init->b));
  return list;
}

static cJSON *write_option(const pl_option *o, const void *field) {
  const int64_t *pair = field;
  const double *number = field;
  switch (o->kind) {
    case PL_OPTION_SIZE: return cJSON_CreateNumber((double)*pair);
    case PL_OPTION_NUMBER: return cJSON_CreateNumber(*number);
    case PL_OPTION_BOOL: return cJSON_CreateBool(*(const bool *)field);
    case PL_OPTION_CHOICE: return write_choice(o->choices[*(const int *)field]);
    case PL_OPTION_PADDING:
      if (pair[0] < 0) return cJSON_CreateString("same"); /* fallthrough */
    case PL_OPTION_PAIR: return two_numbers((double)pair[0], (double)pair[1]);
    case PL_OPTION_RANGE: case PL_OPTION_NUMBERS: return two_numbers(number[0], number[1]);
    case PL_OPTION_INIT: return write_init(field);
    case PL_OPTION_SHAPE: {
      const pl_shape *shape = field;
      cJSON *list = cJSON_CreateArray();
      for (int i = 0; i < shape->axes; i++) pl_json_add(&list, NULL, cJSON_CreateNumber((double)shape->size[i]));
      return list;
    }
  }
  return NULL;
}

cJSON *pl_options_write(const pl_class *cls, const void *config) {
  cJSON *object = cJSON_CreateObject();
  for (const pl_option *o = cls->options; o->name; o++) {
    pl_json_add(&object, o->name, write_option(o, (const char *)config + o->offset));
  }
  return object;
}
