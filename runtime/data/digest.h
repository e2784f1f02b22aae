/* SHA-256 as text, from libmd. */
#ifndef DATA_DIGEST_H
#define DATA_DIGEST_H

#include <sys/types.h>
#include <sha2.h>
#include "perilune/data.h"

/* Ends a copy of the running digest, which may go on. */
void pl_digest_text(char text[PL_SHA256_TEXT], const SHA2_CTX *running);

#endif
