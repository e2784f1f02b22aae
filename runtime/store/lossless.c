/* The JSON inside files, where a text may stand for a number: "3.0" is a float, "inf" and "nan" are what they say,
   "~..." is the text after it, "%..." its bytes as hexadecimal digits. */
#include <ctype.h>
#include <math.h>
#include <string.h>
#include "store/lossless.h"

static int digit(char c) {
  return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* In place: "%4142" becomes "AB". What cannot be a text of JSON ends at its first zero byte. */
static void from_digits(char *text) {
  char *out = text;
  for (const char *in = text + 1; in[0] != '\0' && in[1] != '\0'; in += 2) {
    if (digit(in[0]) < 0 || digit(in[1]) < 0) break;
    *out++ = (char)(digit(in[0]) << 4 | digit(in[1]));
  }
  *out = '\0';
}

static bool reads_as_number(const char *text, double *value) {
  if (strcmp(text, "inf") == 0) return *value = INFINITY, true;
  if (strcmp(text, "-inf") == 0) return *value = -INFINITY, true;
  if (strcmp(text, "nan") == 0) return *value = NAN, true;
  if (text[0] != '-' && !isdigit((unsigned char)text[0])) return false;
  cJSON *number = cJSON_ParseWithOpts(text, NULL, true);     /* with a point, whatever the locale says */
  bool found = cJSON_IsNumber(number);
  if (found) *value = number->valuedouble;
  cJSON_Delete(number);
  return found;
}

static void unpack(cJSON *item) {
  double value;
  if (cJSON_IsString(item)) {
    char *text = item->valuestring;
    if (text[0] == '~') memmove(text, text + 1, strlen(text));
    else if (text[0] == '%') from_digits(text);
    else if (reads_as_number(text, &value)) {
      cJSON_free(text);
      item->valuestring = NULL;
      item->type = (item->type & ~0xff) | cJSON_Number;
      cJSON_SetNumberHelper(item, value);
    }
  }
  for (cJSON *child = item->child; child != NULL; child = child->next) unpack(child);
}

cJSON *pl_lossless_parse(const char *text, size_t length, pl_error *err) {
  cJSON *json = cJSON_ParseWithLength(text, length);
  if (json == NULL) pl_error_set(err, PL_ERROR_CORRUPT, "a description in the file is not JSON");
  else unpack(json);
  return json;
}

/* Might a text be taken for a number, or for one that is packed? */
static bool is_ambiguous(const char *text) {
  return text[0] != '\0' && strchr("~%+-.0123456789iInN \t\n\v\f\r", text[0]) != NULL;
}

static bool pack(cJSON *item) {
  char *text = NULL;
  if (cJSON_IsString(item) && is_ambiguous(item->valuestring)) {
    text = cJSON_malloc(strlen(item->valuestring) + 2);
    if (text == NULL) return false;
    text[0] = '~';
    strcpy(text + 1, item->valuestring);
    cJSON_free(item->valuestring);
  } else if (cJSON_IsNumber(item) && !isfinite(item->valuedouble)) {
    text = cJSON_malloc(sizeof "-inf");
    if (text == NULL) return false;
    strcpy(text, isnan(item->valuedouble) ? "nan" : item->valuedouble > 0 ? "inf" : "-inf");
    item->type = (item->type & ~0xff) | cJSON_String;
  }
  if (text != NULL) item->valuestring = text;
  for (cJSON *child = item->child; child != NULL; child = child->next) if (!pack(child)) return false;
  return true;
}

char *pl_lossless_print(cJSON *json) { return pack(json) ? cJSON_PrintUnformatted(json) : NULL; }
