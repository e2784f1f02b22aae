/* Layout of the user block, little-endian:

       0   8  "PERILUNE"
       8   4  version of this layout: 1
      12   4  size of this block: 512
      16   8  length of the file, this block included
      24  32  SHA-256 of bytes 0 to 23 and of all bytes after this block
      56 456  zero

   Every bit of the file is thus compared with something: fields with what they must be, padding with zero, the rest
   with the digest. */
#include <string.h>
#include "base/sha256.h"
#include "store/user_block.h"

enum { VERSION = 1, AT_VERSION = 8, AT_BLOCK = 12, AT_LENGTH = 16, AT_DIGEST = 24,
       AT_PADDING = AT_DIGEST + SHA256_DIGEST_LENGTH };
static const char magic[AT_VERSION] = { 'P', 'E', 'R', 'I', 'L', 'U', 'N', 'E' };

static void put(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
  return value;
}

static void digest(unsigned char out[SHA256_DIGEST_LENGTH], const unsigned char *file, size_t size) {
  SHA2_CTX sha;
  SHA256Init(&sha);
  pl_sha256_update(&sha, file, AT_DIGEST);
  pl_sha256_update(&sha, file + USER_BLOCK_SIZE, size - USER_BLOCK_SIZE);
  SHA256Final(out, &sha);
}

void pl_user_block_write(unsigned char *file, size_t size) {
  memset(file, 0, USER_BLOCK_SIZE);
  memcpy(file, magic, sizeof magic);
  put(file + AT_VERSION, VERSION, 4);
  put(file + AT_BLOCK, USER_BLOCK_SIZE, 4);
  put(file + AT_LENGTH, size, 8);
  digest(file + AT_DIGEST, file, size);
}

bool pl_user_block_present(const unsigned char *file, size_t size) {
  return size >= sizeof magic && memcmp(file, magic, sizeof magic) == 0;
}

pl_status pl_user_block_check(const char *path, const unsigned char *file, size_t size, char hex[PROOF_HEX],
                              pl_error *err) {
  if (size == 0) return pl_error_set(err, PL_ERROR_CORRUPT, "%s is empty", path);
  if (!pl_user_block_present(file, size)) {
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "%s does not begin as a Perilune file does: it is damaged, or was written by another "
                        "program (an HDF5 file of another program is read with foreign = true)", path);
  }
  if (size < USER_BLOCK_SIZE)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: it is cut off after %zu bytes", path, size);
  uint64_t version = get(file + AT_VERSION, 4), length = get(file + AT_LENGTH, 8);
  if (version == 0 || get(file + AT_BLOCK, 4) != USER_BLOCK_SIZE)
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged in its header", path);
  if (version > VERSION) {
    return pl_error_set(err, PL_ERROR_CORRUPT,
                        "%s has file version %llu, and this program reads up to %d: it is damaged or needs a "
                        "newer Perilune",
                        path, (unsigned long long)version, VERSION);
  }
  if (length != size) {
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: it should have %llu bytes and has %zu", path,
                        (unsigned long long)length, size);
  }
  for (int i = AT_PADDING; i < USER_BLOCK_SIZE; i++) {
    if (file[i] != 0) return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged in its header", path);
  }
  unsigned char found[SHA256_DIGEST_LENGTH];
  digest(found, file, size);
  if (memcmp(found, file + AT_DIGEST, sizeof found) != 0) {
    return pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: its SHA-256 is not the one it was written with", path);
  }
  for (size_t i = 0; i < sizeof found; i++) {
    hex[2 * i] = "0123456789abcdef"[found[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[found[i] & 15];
  }
  hex[PROOF_HEX - 1] = '\0';
  return PL_OK;
}
