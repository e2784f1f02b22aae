/* Readers of the files that people have. Each gives tensors; a data set is made of them (data.h). u8 stays; i8, i16,
   u16, i32 and booleans become i32; wider integers i32 where every value fits, else f32; floating-point numbers f32.
   Nothing in a file is believed before it is checked: what a header promises is compared with the file's length before
   memory is taken for it. PL_ERROR_IO: a file, or an array in it, is not there or cannot be read, or a library is
   missing; PL_ERROR_CORRUPT: it is not of that format, damaged, or beyond what is read. */
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
   `member`: its name in an .npz, without ".npy", at most 250 bytes; NULL: `path` is an .npy file. */

/* [out] what it is; and the array. */
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
  double mean, min, max;         /* of the values that are numbers */
  double rounding;               /* the most that one of them changes by as f32 */
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

/* The whole file, taken apart. header: its first line names the columns. PL_ERROR_VALUE: the delimiter is a quote or
   ends lines; PL_ERROR_CORRUPT also: no rows. Rows and columns count from 0 and are not checked. */
PL_API pl_csv *pl_csv_open(const char *path, char delimiter, bool header, pl_error *err);
PL_API void pl_csv_free(pl_csv *c);
/* Rows, without the header; fields of a row. */
PL_API size_t pl_csv_rows(const pl_csv *c);
PL_API size_t pl_csv_columns(const pl_csv *c);
/* The line of the file, from 1, where the row begins. */
PL_API size_t pl_csv_line(const pl_csv *c, size_t row);
/* [borrowed]; without a header "1", "2", ..., until the next call. */
PL_API const char *pl_csv_name(const pl_csv *c, size_t column);
/* [borrowed] the text, without quotes. */
PL_API const char *pl_csv_field(const pl_csv *c, size_t row, size_t column);
/* Fields equal to one of these texts (blanks around them apart) are missing, in place of the empty one; ends with NULL;
   copied. */
PL_API pl_status pl_csv_set_missing(pl_csv *c, const char *const *marks, pl_error *err);
/* [out] columns [pl_csv_columns]. */
PL_API void pl_csv_scan(const pl_csv *c, pl_csv_column *columns);
/* [out] the different texts of a column, missing ones aside, ascending: *names (free with pl_free; the texts are
   borrowed), *n of them. */
PL_API pl_status pl_csv_categories(const pl_csv *c, size_t column, const char ***names, size_t *n, pl_error *err);
/* Is a field that `uses` [pl_csv_columns] wants missing in that row, and not filled? */
PL_API bool pl_csv_row_lacks(const pl_csv *c, const pl_csv_use *uses, size_t row);
/* Rows into x [rows, width], labels [rows], targets [rows, target_width]; the latter two may be NULL where no use is of
   that role. drop: rows that lack a field are left out. *filled [out]: rows written. PL_ERROR_CORRUPT (a missing value,
   a text for a number, a number beyond f32, an unknown category) names line and column; rows before it are written. */
PL_API pl_status pl_csv_fill(const pl_csv *c, const pl_csv_use *uses, bool drop, float *x, size_t width,
                             int32_t *labels, float *targets, size_t target_width, size_t *filled, pl_error *err);

/* ---- the binary files of CIFAR ---- */

/* n files, one after the other. label_bytes: 1 (CIFAR-10), or 2 (CIFAR-100, of which the second, fine label is kept);
   else PL_ERROR_VALUE. [out] *images u8 [N, 32, 32, 3] and *labels i32 [N], below `classes` (else PL_ERROR_CORRUPT). */
PL_API pl_status pl_cifar_read(pl_tensor **images, pl_tensor **labels, const char *const *paths, size_t n,
                               size_t label_bytes, int64_t classes, pl_error *err);

/* ---- pictures: PNG (libpng) and JPEG (libjpeg-turbo), loaded by name when the first is read ----
   Bytes, [height, width, channels]. channels = 1: gray, (19595 R + 38470 G + 7471 B + 32768) / 65536 of a coloured
   picture; 3: red, green, blue; else PL_ERROR_VALUE. Samples of 16 bits are rounded to 8. What is transparent is shown
   on white. A picture has at most 65535 pixels a side and 2^28 in all. Any thread. */

/* [out] pixels, from the file's header; and the picture. */
PL_API pl_status pl_picture_info(const char *path, int64_t *height, int64_t *width, pl_error *err);
PL_API pl_tensor *pl_picture_read(const char *path, int channels, pl_error *err);
/* [n, height, width, channels]: each resized as pl_dataset_resize does, to sides of 1 to 65536 pixels (else
   PL_ERROR_VALUE). height = width = 0: all have the size of the first (else PL_ERROR_CORRUPT). The pictures are shared
   out to all threads; of several problems the first in order is told. n = 0: PL_ERROR_VALUE. */
PL_API pl_tensor *pl_pictures_read(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                                   pl_error *err);

/* ---- streams: samples that stay in their files, read when they are needed (pl_dataset_of_stream) ----
   Counted, as data sets are. */

/* For tests: the memory that streams from now on read ahead into; 16 MiB unless set. The order of an epoch depends on
   it. */
PL_API void pl_stream_set_window(size_t bytes);
/* One more who uses it, and frees it; returns s. What it holds goes when the last one frees it. */
PL_API pl_stream *pl_stream_retain(pl_stream *s);
PL_API void pl_stream_free(pl_stream *s);
/* Pictures as pl_pictures_read makes them, and its errors; but a picture that cannot be read is only met later
   (pl_dataset_status). The paths are copied. */
PL_API pl_stream *pl_stream_pictures(const char *const *paths, size_t n, int64_t height, int64_t width, int channels,
                                     pl_error *err);
/* A data set of an HDF5 file, at `name` in it: numbers, contiguous or in chunks, plain or with deflate, LZF, shuffle
   and Fletcher-32; else PL_ERROR_TYPE; PL_ERROR_VALUE: there is no such name. info [out]: u8 stays, everything else
   becomes f32. The file is not read as a whole, nor its digest checked; that it was changed since is met later
   (pl_dataset_status: PL_ERROR_CORRUPT). Threads: as store.h; the stream then needs libhdf5 no more. */
PL_API pl_stream *pl_stream_hdf5(const char *path, const char *name, pl_array_info *info, pl_error *err);
/* All rows of a stream of HDF5 as a tensor: for labels and targets. `info` as it was given. */
PL_API pl_tensor *pl_stream_read_all(pl_stream *s, const pl_array_info *info, pl_error *err);

#endif
