#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "perilune/cpu.h"

/* The system's name of the processor: from /proc/cpuinfo, or the architecture's name. */
static char name[128];

static void read_name(void) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[256];
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
      snprintf(name, sizeof name, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
      break;
    }
  }
  if (f != NULL) fclose(f);
  if (!name[0]) {
#if defined(__x86_64__)
    strcpy(name, "x86-64");
#elif defined(__aarch64__)
    strcpy(name, "arm64");
#else
    strcpy(name, "unknown");
#endif
  }
}

const char *pl_cpu_name(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_name);
  return name;
}

double pl_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
