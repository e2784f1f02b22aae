/* Runs every file of a harness' corpus through it, once whole and once cut in two. With a number also so many files
   that differ from those at random places.                                              usage: NAME_fuzz_test [number
   [seed]] The corpus of NAME is tests/fuzz/corpus/NAME. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

static size_t read_file(const char *path, uint8_t *bytes, size_t room) {
  FILE *file = fopen(path, "rb");
  fuzz_assert(file != NULL, path);
  size_t n = fread(bytes, 1, room, file);
  fclose(file);
  return n;
}

enum { ROOM = 1 << 17, FILES = 256 };
static struct { uint8_t *bytes; size_t size; } corpus[FILES];

static uint64_t state;
static uint64_t random_below(uint64_t n) {   /* Marsaglia's xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % n;
}

/* A few of: a bit flipped, a byte replaced by one at a border, a piece taken out, doubled, or taken from another
   file. */
static size_t mutate(uint8_t *bytes, size_t size, int files) {
  static const uint8_t borders[] = { 0, 1, 2, 3, 4, 6, 7, 8, 10, 0x0c, 0x0d, 0x1f, 0x7f, 0x80, 0xff, '"', '{', '[', ',',
                                     ':', '-', 'e', '9' };
  for (uint64_t times = 1 + random_below(4); times > 0 && size > 3; times--) {
    size_t at = random_below(size), n = 1 + random_below(size - at < 16 ? size - at : 16);
    switch (random_below(5)) {
      case 0: bytes[at] ^= (uint8_t)(1 << random_below(8)); break;
      case 1: bytes[at] = borders[random_below(sizeof borders)]; break;
      case 2: memmove(bytes + at, bytes + at + n, size - at - n); size -= n; break;
      case 3:
        if (size + n > ROOM) break;
        memmove(bytes + at + n, bytes + at, size - at);
        size += n;
        break;
      default: {
        int other = (int)random_below((uint64_t)files);
        size_t from = random_below(corpus[other].size);
        if (n > corpus[other].size - from) n = corpus[other].size - from;
        memcpy(bytes + at, corpus[other].bytes + from, n);
      }
    }
  }
  return size;
}

static void run_mutations(long number, int files) {
  uint8_t *bytes = malloc(ROOM);
  fuzz_assert(bytes != NULL, "no memory");
  for (long i = 0; i < number; i++) {
    int which = (int)random_below((uint64_t)files);
    memcpy(bytes, corpus[which].bytes, corpus[which].size);
    LLVMFuzzerTestOneInput(bytes, mutate(bytes, corpus[which].size, files));
  }
  free(bytes);
  if (number > 0) printf("# %ld mutations\n", number);
}

int main(int argc, char **argv) {
  char folder[256], path[600];
  const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], *end = strstr(name, "_fuzz_test");
  long number = argc > 1 ? atol(argv[1]) : 0;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 1;
  fuzz_assert(end != NULL, "the program is called NAME_fuzz_test");
  snprintf(folder, sizeof folder, "tests/fuzz/corpus/%.*s", (int)(end - name), name);
  DIR *files = opendir(folder);
  int n = 0;
  fuzz_assert(files != NULL, folder);
  for (const struct dirent *e; (e = readdir(files)) != NULL; ) {
    if (e->d_name[0] == '.' || n == FILES) continue;
    uint8_t *bytes = malloc(ROOM);
    fuzz_assert(bytes != NULL, "no memory");
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    size_t size = read_file(path, bytes, ROOM);
    printf("# %s\n", e->d_name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, size);
    LLVMFuzzerTestOneInput(bytes, size / 2);
    corpus[n].bytes = bytes;
    corpus[n].size = size;
    printf("ok %d - %s\n", ++n, e->d_name);
  }
  closedir(files);
  if (n > 0) run_mutations(number, n);
  for (int i = 0; i < n; i++) free(corpus[i].bytes);
  printf("1..%d\n", n);
  return n == 0;
}
