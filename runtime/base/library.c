/* Libraries that are loaded when they are first needed. */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include "base/library.h"

static pl_status load(const char *what, const char *const *names, const char *package, const char *const *functions,
                      void **const *at, pl_error *err) {
  void *library = NULL;
  int n = 0;
  while (functions[n] != NULL) n++;
  if (*at[n - 1] != NULL) return PL_OK;
  for (int i = 0; names[i] != NULL && library == NULL; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return pl_error_set(err, PL_ERROR_IO, "%s, and %s cannot be loaded; install it (Debian: %s)", what, names[0],
                        package);
  for (int i = 0; functions[i] != NULL; i++) {
    *at[i] = dlsym(library, functions[i]);
    if (*at[i] == NULL)
      return pl_error_set(err, PL_ERROR_IO, "%s, and %s has no %s; install another version", what, names[0],
                          functions[i]);
  }
  return PL_OK;
}

pl_status pl_load_library(const char *what, const char *const *names, const char *package,
                          const char *const *functions, void **const *at, pl_error *err) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  pl_status status = load(what, names, package, functions, at, err);
  pthread_mutex_unlock(&lock);
  return status;
}
