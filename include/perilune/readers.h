/* Readers of the files that people have. Each gives tensors; a data set is made of them (data.h). Elements become u8,
   i32 or f32 as runtime/data/readers/elements.h says. Nothing in a file is believed before it is checked: what a header
   promises is compared with the file's length before memory is taken for it. */
#ifndef PERILUNE_READERS_H
#define PERILUNE_READERS_H

#include "perilune/data.h"

typedef struct pl_array_info {
  pl_dtype type;       /* of the tensor; of wide integers, if they fit an i32 */
  pl_shape shape;
  bool integers;       /* in the file: integers or booleans */
  char element[8];     /* in the file: "u8", "f64", "bool" */
} pl_array_info;

/* ---- NPY and NPZ: NumPy's arrays, in a file each or in a zip archive, stored or deflated ----
   `member`: its name in an .npz, without ".npy"; NULL: `path` is an .npy file. */
PL_API pl_status pl_npy_info(const char *path, const char *member, pl_array_info *info, pl_error *err);
PL_API pl_tensor *pl_npy_read(const char *path, const char *member, pl_error *err);
/* Calls each(context, name) for every array of an .npz, in the order of its directory. */
PL_API pl_status pl_npz_list(const char *path, void (*each)(void *context, const char *name), void *context,
                             pl_error *err);

/* ---- CSV (RFC 4180), plain or gzip ----
   Fields between delimiters, perhaps in quotes, in which a quote is written twice; lines end with LF, CRLF or CR; empty
   lines are left out; a byte order mark is skipped. Every line has as many fields as the first. */

typedef struct pl_csv pl_csv;

typedef struct pl_csv_column {   /* what the fields of a column look like; lines count from 1 in the file */
  size_t numbers, texts, missing;
  size_t text_row, missing_row;  /* the first of each */
  double mean;                   /* of the values that are numbers */
} pl_csv_column;

typedef enum pl_csv_role { PL_CSV_UNUSED, PL_CSV_NUMBER, PL_CSV_ONE_HOT, PL_CSV_LABEL, PL_CSV_TARGET } pl_csv_role;

typedef struct pl_csv_use {      /* what is made of a column */
  pl_csv_role role;
  size_t at;                     /* the first of its features, or of its targets */
  const char *const *names;      /* ONE_HOT, LABEL: the categories, in ascending order of bytes */
  size_t n;
  bool fills;                    /* NUMBER, TARGET: a missing value becomes `fill`; else it is an error */
  float fill;
} pl_csv_use;

PL_API pl_csv *pl_csv_open(const char *path, char delimiter, bool header, pl_error *err);
PL_API void pl_csv_free(pl_csv *c);                                /* NULL is allowed */
PL_API size_t pl_csv_rows(const pl_csv *c);                        /* without the header */
PL_API size_t pl_csv_columns(const pl_csv *c);
PL_API size_t pl_csv_line(const pl_csv *c, size_t row);            /* of the file, where the row begins */
PL_API const char *pl_csv_name(const pl_csv *c, size_t column);    /* [borrowed] "1", "2", ... without a header */
PL_API const char *pl_csv_field(const pl_csv *c, size_t row, size_t column);   /* [borrowed] */
/* Fields equal to one of these texts (blanks around them apart) are missing; ends with NULL; copied. */
PL_API pl_status pl_csv_set_missing(pl_csv *c, const char *const *marks, pl_error *err);
/* columns [pl_csv_columns]. */
PL_API void pl_csv_scan(const pl_csv *c, pl_csv_column *columns);
/* The different texts of a column, ascending: *names (free with pl_free; the texts are the file's), *n of them. */
PL_API pl_status pl_csv_categories(const pl_csv *c, size_t column, const char ***names, size_t *n, pl_error *err);
/* Is a field that `uses` wants missing in that row, and not filled? */
PL_API bool pl_csv_row_lacks(const pl_csv *c, const pl_csv_use *uses, size_t row);
/* Rows into x [rows, width], labels [rows], targets [rows, targets_width]; the latter two may be NULL. drop: rows
   that lack a field are left out. *filled: rows written. Errors name the line and the column. */
PL_API pl_status pl_csv_fill(const pl_csv *c, const pl_csv_use *uses, bool drop, float *x, size_t width,
                             int32_t *labels, float *targets, size_t target_width, size_t *filled, pl_error *err);

/* ---- the binary files of CIFAR: n of them, one after the other ----
   label_bytes: 1 (CIFAR-10), or 2 (CIFAR-100, of which the second, fine label is kept). *images u8 [N, 32, 32, 3] and
   *labels i32 [N] are NULL before; what is there after an error is to be freed, too. */
PL_API pl_status pl_cifar_read(pl_tensor **images, pl_tensor **labels, const char *const *paths, size_t n,
                               size_t label_bytes, int64_t classes, pl_error *err);

/* ---- pictures: PNG (libpng) and JPEG (libjpeg-turbo), loaded by name when the first is read ----
   Bytes, [height, width, channels]. channels = 1: gray, (19595 R + 38470 G + 7471 B + 32768) / 65536 of a coloured
   picture;
   3: red, green, blue. Samples of 16 bits are rounded to 8. What is transparent is shown on white. */

PL_API pl_status pl_picture_info(const char *path, int64_t *height, int64_t *width, pl_error *err);
PL_API pl_tensor *pl_picture_read(const char *path, int channels, pl_error *err);
/* [n, height, width, channels]: each resized as pl_dataset_resize does. height = 0: all have the size of the first. The
   pictures are shared out to all threads; of several problems the first in order is told. */
PL_API pl_tensor *pl_pictures_read(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                                   pl_error *err);

/* ---- streams: samples that stay in their files, read when they are needed (pl_dataset_of_stream) ---- */

PL_API void pl_stream_set_window(size_t bytes);   /* tests: of streams from now on; 16 MiB */
PL_API pl_stream *pl_stream_retain(pl_stream *s);
PL_API void pl_stream_free(pl_stream *s);                        /* when the last one does; NULL is allowed */
/* Pictures as pl_pictures_read makes them. The paths are copied. */
PL_API pl_stream *pl_stream_pictures(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                                     pl_error *err);
/* A data set of an HDF5 file, at `name` in it: numbers, contiguous or in chunks, plain or with deflate, shuffle and
   Fletcher-32. info [out]: u8 stays, everything else becomes f32. The file is not read as a whole, nor its digest
   checked. For the main thread; the stream then needs libhdf5 no more. */
PL_API pl_stream *pl_stream_hdf5(const char *path, const char *name, pl_array_info *info, pl_error *err);
/* All rows of a stream as a tensor: for labels and targets. */
PL_API pl_tensor *pl_stream_read_all(pl_stream *s, const pl_array_info *info, pl_error *err);

#endif
