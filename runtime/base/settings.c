#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include "perilune/settings.h"

static pl_settings settings;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_environment(void) {
  const char *fuse = getenv("PERILUNE_FUSE"), *conv = getenv("PERILUNE_CONV");
  settings.fuse = fuse == NULL || strcmp(fuse, "0") != 0;
  if (conv != NULL && strcmp(conv, "direct") == 0) settings.conv = PL_CONV_DIRECT;
  if (conv != NULL && strcmp(conv, "winograd") == 0) settings.conv = PL_CONV_WINOGRAD;
}

pl_settings pl_settings_get(void) {
  pthread_once(&once, read_environment);
  return settings;
}

void pl_settings_set(pl_settings new_settings) {
  pthread_once(&once, read_environment);
  settings = new_settings;
}
