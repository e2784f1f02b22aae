/* Digests of files and of what a data set holds in memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "data/dataset.h"
#include "data/digest.h"

void pl_digest_text(char text[PL_SHA256_TEXT], const SHA2_CTX *running) {
  SHA2_CTX copy = *running;
  SHA256End(&copy, text);
}

static pl_status digest_bytes(char sha256[PL_SHA256_TEXT], const char *path, pl_error *err) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
  SHA2_CTX digest;
  uint8_t buffer[65536];
  size_t got;
  SHA256Init(&digest);
  while ((got = fread(buffer, 1, sizeof buffer, file)) > 0) pl_sha256_update(&digest, buffer, got);
  int reason = ferror(file) ? errno : 0;
  fclose(file);
  if (reason) return pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", path, strerror(reason));
  pl_digest_text(sha256, &digest);
  return PL_OK;
}

pl_status pl_file_sha256(char sha256[PL_SHA256_TEXT], const char *path, bool uncompressed, pl_error *err) {
  if (!uncompressed) return digest_bytes(sha256, path, err);
  errno = 0;
  gzFile file = gzopen(path, "rb");
  if (file == NULL)
    return pl_error_set(err, PL_ERROR_IO, "cannot open %s: %s", path, errno ? strerror(errno) : "not enough memory");
  SHA2_CTX digest;
  uint8_t buffer[65536];
  int got, code;
  SHA256Init(&digest);
  while ((got = gzread(file, buffer, sizeof buffer)) > 0) pl_sha256_update(&digest, buffer, (size_t)got);
  const char *problem = gzerror(file, &code);
  pl_status status = PL_OK;
  if (code == Z_ERRNO) status = pl_error_set(err, PL_ERROR_IO, "cannot read %s: %s", path, strerror(errno));
  else if (code != Z_OK) status = pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged (%s)", path, problem);
  gzclose_r(file);
  if (status == PL_OK) pl_digest_text(sha256, &digest);
  return status;
}

static void digest_rows(SHA2_CTX *digest, const pl_dataset *ds, const pl_tensor *t) {
  if (t == NULL) return;
  size_t bytes = (size_t)(pl_tensor_count(t) / pl_tensor_shape(t)->size[0]) * pl_dtype_size(pl_tensor_type(t));
  for (size_t i = 0; i < ds->count; i++)
    pl_sha256_update(digest, (const uint8_t *)pl_tensor_data(t) + ds->rows[i] * bytes, bytes);
}

void pl_dataset_digest(char sha256[PL_SHA256_TEXT], const pl_dataset *ds) {
  SHA2_CTX digest;
  SHA256Init(&digest);
  if (ds->stream == NULL) digest_rows(&digest, ds, ds->samples);
  else pl_sha256_update(&digest, (const uint8_t *)ds->sha256, strlen(ds->sha256));   /* of its files */
  digest_rows(&digest, ds, ds->labels);
  digest_rows(&digest, ds, ds->targets);
  pl_digest_text(sha256, &digest);
}
