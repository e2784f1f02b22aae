/* The user block: the 512 bytes before the HDF5 part that prove the whole file. */
#ifndef STORE_USER_BLOCK_H
#define STORE_USER_BLOCK_H

#include "perilune/error.h"

enum { USER_BLOCK_SIZE = 512, PROOF_HEX = 65 };

/* Fills the first USER_BLOCK_SIZE bytes of a file that is otherwise complete. `size` includes them. */
void pl_user_block_write(unsigned char *file, size_t size);
bool pl_user_block_present(const unsigned char *file, size_t size);   /* does it begin with our name? */
/* PL_ERROR_CORRUPT, naming `path`, unless every bit is as it was written. Fills `hex` with the digest. */
pl_status pl_user_block_check(const char *path, const unsigned char *file, size_t size, char hex[PROOF_HEX],
                              pl_error *err);

#endif
