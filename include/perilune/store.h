/* Files: whole or a clear error, never torn, never silently different.
   A saved file is an HDF5 file after a 512-byte user block that proves it (runtime/store/user_block.c): h5dump, h5py
   and file(1) read it as HDF5. It is built in memory, written to a temporary file beside <path>, synced, renamed over
   <path>, and the folder is synced: at every moment <path> is the old file or the new one. Loading reads the file once,
   checks its digest, and only then lets libhdf5 parse that memory.
   Trees (writers, readers) are used by one thread of the process at a time, the same one best: libhdf5 knows no other.
   Functions on plain files may be called by any thread. Paths in a file are "/model/layers/01_conv2d/weight"; the
   leading "/" may be left out. PL_ERROR_IO: the operating system refused, or libhdf5 is missing; PL_ERROR_CORRUPT: the
   file is damaged, is none of ours, or has no such path; beside those that a function names. A save that would exceed
   the limit of a file's size (ulimit -f) is an error where the host ignores SIGXFSZ; else the signal ends the host. */
#ifndef PERILUNE_STORE_H
#define PERILUNE_STORE_H

#include "perilune/error.h"
#include "perilune/shape.h"

typedef enum pl_store_type {
  PL_STORE_F32, PL_STORE_U8, PL_STORE_I32, PL_STORE_F64, PL_STORE_I64,
  PL_STORE_BOOL,   /* attributes only */
  PL_STORE_TEXT    /* one string of UTF-8, which may not end with a zero byte */
} pl_store_type;

/* "f32", "text", ...; and bytes of an element: a bool is one byte, and so is each of a text. */
PL_API const char *pl_store_type_name(pl_store_type type);
PL_API size_t pl_store_type_size(pl_store_type type);

/* ---- writing a tree ----
   Groups on the way to a path are made. Children keep the order of their creation. Nothing reaches the file before the
   commit. The first failure is remembered: all that follows, and the commit, return it. PL_ERROR_VALUE: a name that is
   there already, is missing or too long, a path through a dataset, a type or value that cannot be written. */

typedef struct pl_store_writer pl_store_writer;

/* Begins a file at `path` (copied, not looked at yet); ended by a commit or a discard. */
PL_API pl_store_writer *pl_store_create(const char *path, pl_error *err);
/* An empty group; no error if it is there. */
PL_API pl_status pl_store_group(pl_store_writer *w, const char *path, pl_error *err);
/* An attribute of the group or dataset at `path`, which is there. `value`: one element of `type`, or `length` bytes of
   text. */
PL_API pl_status pl_store_attr(pl_store_writer *w, const char *path, const char *name, pl_store_type type,
                               const void *value, size_t length, pl_error *err);
/* An attribute that is a list of texts, all padded with zeros to the longest. */
PL_API pl_status pl_store_attr_texts(pl_store_writer *w, const char *path, const char *name, const char *const *texts,
                                     size_t n, pl_error *err);
/* A dataset of contiguous rows of numbers, little-endian in the file, with a Fletcher-32 sum on each chunk.
   `gzip`: compression level 1 to 9, or 0 for none. data may be NULL where the shape has no elements. */
PL_API pl_status pl_store_data(pl_store_writer *w, const char *path, pl_store_type type, const pl_shape *shape,
                               const void *data, int gzip, pl_error *err);
/* A dataset that is one text of `length` bytes, without an axis. */
PL_API pl_status pl_store_text(pl_store_writer *w, const char *path, const char *text, size_t length, pl_error *err);
/* Makes the one-axis dataset at `path` an HDF5 dimension scale called `name` (the "epoch" of a history). */
PL_API pl_status pl_store_scale(pl_store_writer *w, const char *path, const char *name, pl_error *err);
/* Publishes the file and frees the writer, also when it fails; then the earlier file is as it was, unless the message
   says that the new one is written but may not outlast a power cut. */
PL_API pl_status pl_store_commit(pl_store_writer *w, pl_error *err);
/* Frees the writer; nothing was written. */
PL_API void pl_store_discard(pl_store_writer *w);

/* ---- reading a tree ---- */

typedef struct pl_store_reader pl_store_reader;

typedef struct pl_store_info {
  bool group;            /* else a dataset */
  pl_store_type type;    /* of a dataset: the type to read it with that loses nothing */
  pl_shape shape;        /* no axes for a single number or text */
  size_t bytes;          /* that pl_store_read will fill, with that type */
} pl_store_info;

/* The whole file, checked. `foreign`: also one that has no user block of ours; nothing then proves that it is whole. */
PL_API pl_store_reader *pl_store_open(const char *path, bool foreign, pl_error *err);
PL_API void pl_store_close(pl_store_reader *r);
/* [borrowed] the SHA-256 that the file proves itself with, as 64 hexadecimal digits; "" for a foreign file. */
PL_API const char *pl_store_digest(const pl_store_reader *r);

/* Whether something readable is there. */
PL_API bool pl_store_has(pl_store_reader *r, const char *path);
/* [out] what is there. PL_ERROR_TYPE: elements, or a text, of a kind that is not read. */
PL_API pl_status pl_store_stat(pl_store_reader *r, const char *path, pl_store_info *info, pl_error *err);
/* Calls `each` for every child of a group (else PL_ERROR_VALUE), in order of creation, with its name [borrowed] during
   the call. Stops when it returns a failure, and returns it. */
PL_API pl_status pl_store_list(pl_store_reader *r, const char *path,
                               pl_status (*each)(void *arg, const char *name, pl_error *err),
                               void *arg, pl_error *err);
/* The elements of the dataset at `path`, converted to `type`: u8 to i32 and i64, i32 to i64, any number to f64; also
   f64 and u8 to f32, rounded; else PL_ERROR_TYPE, as for a group. `bytes` must be what `type` and the shape make, or
   PL_ERROR_SHAPE. PL_ERROR_VALUE: an unsigned number of 2^63 - 1 or more. After an error `data` means nothing. */
PL_API pl_status pl_store_read(pl_store_reader *r, const char *path, pl_store_type type, void *data, size_t bytes,
                               pl_error *err);

typedef struct pl_store_value {
  pl_store_type type;    /* F64, I64, BOOL or TEXT */
  double number;
  int64_t integer;       /* BOOL: 0 or 1 */
  const char *text;      /* [borrowed] until `each` returns */
  size_t length;
} pl_store_value;

/* The length of a text that was read into `size` bytes: zeros at its end are padding. */
PL_API size_t pl_store_text_length(const char *text, size_t size);

/* Calls `each` for every single-valued attribute of a group or dataset, in order of creation; others (arrays,
   references) are passed over. Stops when it returns a failure, and returns it. */
PL_API pl_status pl_store_attrs(pl_store_reader *r, const char *path,
                                pl_status (*each)(void *arg, const char *name, const pl_store_value *value,
                                                  pl_error *err),
                                void *arg, pl_error *err);

/* [out] the version of the HDF5 library, "1.10.8". */
PL_API pl_status pl_store_library(char text[40], pl_error *err);

/* Opens the file and reads all that is in it: digest, structure, the sums of every dataset. */
PL_API pl_status pl_store_verify(const char *path, pl_error *err);

/* ---- plain files ---- */

/* Replaces `path` by these bytes, atomically and durably; of a symbolic link, the file that it leads to. On failure the
   earlier file is as it was, with the exception that pl_store_commit names. */
PL_API pl_status pl_store_write_file(const char *path, const void *data, size_t size, pl_error *err);
/* [out] the whole file (free with pl_free), with a zero byte after it that `size` does not count. */
PL_API pl_status pl_store_read_file(const char *path, void **data, size_t *size, pl_error *err);
/* Appends with one write, to a new file if need be; a write cut short (full disk) is taken back. Not synced: for logs
   that can be derived again. */
PL_API pl_status pl_store_append(const char *path, const void *data, size_t size, pl_error *err);
/* Makes the folder and those above it; durable. No error if it is there. */
PL_API pl_status pl_store_mkdir(const char *path, pl_error *err);
/* Removes a file; no error if it is not there. */
PL_API pl_status pl_store_remove(const char *path, pl_error *err);

/* Locks the file at `path`, which is made for it, against other holders; the kernel frees it when the process ends,
   however it ends. Held already: PL_ERROR_STATE, naming the process. [out] *lock is for pl_store_unlock, once, which
   removes the file. Where a file system has no locks, all get one. */
PL_API pl_status pl_store_lock(const char *path, int *lock, pl_error *err);
PL_API void pl_store_unlock(const char *path, int lock);

#endif
