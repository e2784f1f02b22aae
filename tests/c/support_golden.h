/* Reading the golden files. */
#ifndef SUPPORT_GOLDEN_H
#define SUPPORT_GOLDEN_H

#include <stddef.h>

struct cJSON;

/* tests/golden/<name>, parsed; fails the test when it cannot be read. The caller deletes it. */
struct cJSON *golden_read(const char *name);
/* The numbers of a JSON array, nested or flat, as floats in order; their count. At most `most`. */
size_t golden_floats(float *out, size_t most, const struct cJSON *json);

#endif
