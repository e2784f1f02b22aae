/* SHA-256 as text. */
#ifndef DATA_DIGEST_H
#define DATA_DIGEST_H

#include "base/sha256.h"
#include "perilune/data.h"

/* Ends a copy of the running digest, which may go on. */
void pl_digest_text(char text[PL_SHA256_TEXT], const SHA2_CTX *running);

#endif
