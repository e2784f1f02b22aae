/* The user block: the 512 bytes before the HDF5 part that prove the whole file. */
#ifndef STORE_PROOF_H
#define STORE_PROOF_H

#include "perilune/error.h"

enum { PROOF_SIZE = 512, PROOF_HEX = 65 };

/* Fills the first PROOF_SIZE bytes of a file that is otherwise complete. `size` includes them. */
void pl_proof_write(unsigned char *file, size_t size);
bool pl_proof_present(const unsigned char *file, size_t size);   /* does it begin with our name? */
/* PL_ERROR_CORRUPT, naming `path`, unless every bit is as it was written. Fills `hex` with the digest. */
pl_status pl_proof_check(const char *path, const unsigned char *file, size_t size, char hex[PROOF_HEX], pl_error *err);

#endif
