/* SHA-256 of libmd (FIPS 180-4), with the processor's own instructions where it has them: about ten times as fast. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <sys/types.h>
#include <sha2.h>

/* As SHA256Update: adds `size` bytes to what `running` has digested. */
void pl_sha256_update(SHA2_CTX *running, const void *bytes, size_t size);

#endif
