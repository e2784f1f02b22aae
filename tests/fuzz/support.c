#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"

const char *fuzz_file(int which, const uint8_t *data, size_t size) {
  static int files[2] = { -1, -1 };
  static char path[2][40];
  if (files[which] < 0) files[which] = memfd_create("fuzz", 0);
  snprintf(path[which], sizeof path[which], "/proc/self/fd/%d", files[which]);
  fuzz_assert(files[which] >= 0 && ftruncate(files[which], 0) == 0 &&
              pwrite(files[which], data, size, 0) == (ssize_t)size, "no file in memory");
  return path[which];
}

void fuzz_assert(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}
