/* The binary files of CIFAR-10 and CIFAR-100 (A. Krizhevsky): records of label_bytes labels and 3072 pixels, a
   plane of 32 x 32 for red, green and blue each. They become [N, 32, 32, 3]; the label is the last one of a record
   (the fine one of CIFAR-100). */
#include <stdio.h>
#include "data/readers/source.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE };

static pl_status count_records(size_t *records, const char *path, size_t label_bytes, pl_error *err) {
  pl_source s;
  pl_status status = pl_source_open(&s, path, err);
  if (status) return status;
  size_t record = label_bytes + PIXELS, length = (size_t)s.length;
  pl_source_close(&s);
  *records = length / record;
  if (length % record == 0) return PL_OK;
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is truncated: it has %zu bytes, which are no whole records of %zu",
                      path, length, record);
}

static pl_status read_records(uint8_t *pixels, int32_t *labels, const char *path, size_t records, size_t label_bytes,
                              int64_t classes, pl_error *err) {
  pl_source s;
  uint8_t record[2 + PIXELS];
  pl_status status = pl_source_open(&s, path, err);
  if (status) return status;
  for (size_t i = 0; i < records && status == PL_OK; i++) {
    if ((status = pl_source_read(&s, record, label_bytes + PIXELS, err))) break;
    labels[i] = record[label_bytes - 1];
    if (labels[i] >= classes)
      status = pl_error_set(err, PL_ERROR_CORRUPT, "%s is damaged: label %d of record %zu, of %lld classes", path,
                            labels[i], i + 1, (long long)classes);
    for (size_t p = 0; p < PLANE; p++)
      for (size_t c = 0; c < 3; c++) pixels[i * PIXELS + p * 3 + c] = record[label_bytes + c * PLANE + p];
  }
  pl_source_close(&s);
  return status;
}

pl_status pl_cifar_read(pl_tensor **images, pl_tensor **labels, const char *const *paths, size_t n, size_t label_bytes,
                        int64_t classes, pl_error *err) {
  size_t total = 0, records, at = 0;
  pl_status status = PL_OK;
  *images = *labels = NULL;
  if (label_bytes != 1 && label_bytes != 2)
    return pl_error_set(err, PL_ERROR_VALUE, "a record of CIFAR has 1 or 2 bytes of labels, got %zu", label_bytes);
  for (size_t i = 0; i < n && status == PL_OK; i++) {
    status = count_records(&records, paths[i], label_bytes, err);
    total += records;
  }
  if (status) return status;
  *images = pl_tensor_new(PL_U8, &(pl_shape){ 4, { (int64_t)total, SIDE, SIDE, 3 } }, err);
  *labels = *images ? pl_tensor_new(PL_I32, &(pl_shape){ 1, { (int64_t)total } }, err) : NULL;
  if (*labels == NULL) status = PL_ERROR_MEMORY;
  for (size_t i = 0; i < n && status == PL_OK; i++) {
    if ((status = count_records(&records, paths[i], label_bytes, err))) break;
    if (records > total - at) {
      status = pl_error_set(err, PL_ERROR_IO, "%s grows while it is read", paths[i]);
      break;
    }
    status = read_records((uint8_t *)pl_tensor_data(*images) + at * PIXELS, (int32_t *)pl_tensor_data(*labels) + at,
                          paths[i], records, label_bytes, classes, err);
    at += records;
  }
  if (status == PL_OK) return PL_OK;
  pl_tensor_free(*images);
  pl_tensor_free(*labels);
  *images = *labels = NULL;
  return status;
}
