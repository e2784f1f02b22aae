/* Data sets, batches, augmentation, and a generator of handwritten-looking digits.

   A data set is a table of samples with a target each: a label (an integer below `classes`) or values (a
   tensor). The storage is never altered and is shared by everything made from it: subsets, validation splits and
   shuffled orders are lists of rows, normalisation is applied as a batch is gathered. Data sets and augmentations are
   counted: each that is made or retained is freed once. Positions count from 0, in the data set's own order, and are
   not checked unless it is said.

   Intended use:

     pl_dataset *train = pl_dataset_read_idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 10, NULL,
                                             &err);
     pl_epoch_order(order, pl_dataset_count(train), seed, epoch, true);
     inside a parallel region, for batch i of size n:
       pl_dataset_gather(train, team, order + i * batch, n, x, labels, NULL);
       pl_team_barrier(team);
       pl_augment_apply(augment, team, x, n, height, width, channels, pl_augment_rng(seed, epoch, i, 0), scratch); */
#ifndef PERILUNE_DATA_H
#define PERILUNE_DATA_H

#include "perilune/options.h"
#include "perilune/threads.h"
#include "perilune/tensor.h"

/* ---- data sets ---- */

typedef struct pl_dataset pl_dataset;
typedef struct pl_stream pl_stream;

#define PL_SHA256_TEXT 65   /* 64 hexadecimal digits and the final zero */

/* samples: u8 (pixels; their value is the byte / 255) or f32, [N, ...]. targets: i32 [N] = labels, f32 [N, ...] =
   values, or NULL. Storage is shared, not copied, where it is contiguous (labels are copied); the tensors stay the
   caller's. classes: labels lie in 0..classes-1; 0: the largest label + 1. PL_ERROR_TYPE; PL_ERROR_SHAPE (samples of no
   axis, unequal N, labels of several axes); PL_ERROR_VALUE (no samples, 2^32 or more, classes below 0, a label out of
   range). */
PL_API pl_dataset *pl_dataset_new(const pl_tensor *samples, const pl_tensor *targets, int64_t classes, pl_error *err);
/* One more who uses it, and frees it. Returns ds. */
PL_API pl_dataset *pl_dataset_retain(const pl_dataset *ds);
/* What it holds goes when the last one does it. */
PL_API void pl_dataset_free(pl_dataset *ds);

/* Samples; the shape of one: [28, 28, 1]. */
PL_API size_t pl_dataset_count(const pl_dataset *ds);
PL_API pl_shape pl_dataset_shape(const pl_dataset *ds);
/* 0: no labels. */
PL_API int64_t pl_dataset_classes(const pl_dataset *ds);
/* Whether its targets are values; bytes as samples, whose value is byte / 255. */
PL_API bool pl_dataset_has_targets(const pl_dataset *ds);
PL_API bool pl_dataset_has_pixels(const pl_dataset *ds);
/* Of one target; and the sum over all targets of (t - mean of its column)^2. Only if it has targets. */
PL_API pl_shape pl_dataset_target_shape(const pl_dataset *ds);
PL_API pl_status pl_dataset_target_spread(double *spread, const pl_dataset *ds, pl_error *err);
/* Only if it has labels. */
PL_API int32_t pl_dataset_label(const pl_dataset *ds, size_t position);

/* [borrowed] until it is set anew; "" if not set; cut at 63 bytes. */
PL_API const char *pl_dataset_name(const pl_dataset *ds);
PL_API void pl_dataset_set_name(pl_dataset *ds, const char *name);
/* SHA-256 of the uncompressed bytes it was read from, samples then labels; [borrowed] as the name. */
PL_API const char *pl_dataset_sha256(const pl_dataset *ds);
PL_API void pl_dataset_set_sha256(pl_dataset *ds, const char *sha256);
/* The same of its values in memory, rows in order: samples (as stored; of a stream the SHA-256 that was set), then
   labels or targets. */
PL_API void pl_dataset_digest(char sha256[PL_SHA256_TEXT], const pl_dataset *ds);
/* The smallest and largest finite value of its samples, as gathered; [0, 1] for pixels that are not standardized and
   where nothing is finite. Errors of reading a stream. */
PL_API pl_status pl_dataset_extent(float *low, float *high, const pl_dataset *ds, pl_error *err);
/* Name of label k, [borrowed] until they are set anew; NULL if it has none. n is the number of classes (else
   PL_ERROR_VALUE); names are copied. */
PL_API const char *pl_dataset_label_name(const pl_dataset *ds, int64_t k);
PL_API pl_status pl_dataset_set_label_names(pl_dataset *ds, const char *const *names, int64_t n, pl_error *err);

/* A data set of samples that stay in their files (a stream, readers.h, which it retains); their shape [N, ...], N at
   most the stream's, and type (u8 or f32) are given; targets, classes and errors as for pl_dataset_new. What it gives
   is as from memory; it cannot be resized, and its digest is to be set. PL_ERROR_SHAPE also: it
   is not what the stream reads. */
PL_API pl_dataset *pl_dataset_of_stream(pl_stream *s, pl_dtype type, const pl_shape *shape, const pl_tensor *targets,
                                        int64_t classes, pl_error *err);
/* The order of its samples in an epoch: pl_epoch_order, but of a stream shuffled by blocks. order [count]. */
PL_API pl_status pl_dataset_order(const pl_dataset *ds, uint32_t *order, uint64_t seed, uint64_t epoch, bool shuffle,
                                  pl_error *err);
PL_API bool pl_dataset_is_streamed(const pl_dataset *ds);
/* Has every sample that was asked for been read? What a gather cannot read of a stream is zero, and this the error:
   PL_ERROR_IO or PL_ERROR_CORRUPT, from then on. */
PL_API pl_status pl_dataset_status(const pl_dataset *ds, pl_error *err);

/* A data set of n positions of `ds` (1 or more, any order, repeats allowed), sharing its storage. PL_ERROR_VALUE: none,
   or one out of range. */
PL_API pl_dataset *pl_dataset_select(const pl_dataset *ds, const uint32_t *positions, size_t n, pl_error *err);
/* The first `n` samples of each class, in their order. PL_ERROR_STATE: no labels; PL_ERROR_VALUE: none, or a class with
   fewer. */
PL_API pl_dataset *pl_dataset_first_per_class(const pl_dataset *ds, size_t n, pl_error *err);

typedef struct pl_split_options {
  double fraction;     /* of the validation set, in (0, 1); rounded to whole samples, one or more on either side */
  bool stratified;     /* that fraction of each class */
  bool shuffled;       /* chosen by `seed`; otherwise the last ones */
  uint64_t seed;
} pl_split_options;
/* [out] the training and the validation set: they share the storage of `ds`, both in its order. PL_ERROR_VALUE: the
   fraction, or too few samples; PL_ERROR_STATE: stratified without labels. */
PL_API pl_status pl_dataset_split(pl_dataset **kept, pl_dataset **held, const pl_dataset *ds,
                                  const pl_split_options *how, pl_error *err);

typedef enum pl_per { PL_PER_ALL, PL_PER_CHANNEL, PL_PER_ELEMENT } pl_per;

/* [out] *mean and *std (std may be NULL): new f32 tensors of one value (PL_PER_ALL), else of the sample's shape, whose
   last axis are the channels. The std divides by N; where it is 0 (a pixel that never changes) it is given as 1. Errors
   of reading a stream. */
PL_API pl_status pl_dataset_statistics(pl_tensor **mean, pl_tensor **std, const pl_dataset *ds, pl_per per,
                                       pl_error *err);
/* The same data with the values (value - mean) / std; either may be NULL; both are copied. Shapes as above, or
   PL_ERROR_SHAPE; f32, or PL_ERROR_TYPE; PL_ERROR_STATE: it is standardized already. */
PL_API pl_dataset *pl_dataset_standardize(const pl_dataset *ds, const pl_tensor *mean, const pl_tensor *std,
                                          pl_error *err);
/* Images [H, W, C] resized to height x width: bilinear, pixel centres at +0.5, edges repeated. New storage of the
   same type (u8 is rounded). PL_ERROR_SHAPE: not images; PL_ERROR_VALUE: a side is not 1 to 65536; PL_ERROR_STATE:
   standardized element by element before, or a stream. */
PL_API pl_dataset *pl_dataset_resize(const pl_dataset *ds, int64_t height, int64_t width, pl_error *err);

/* Values of n positions, for every member of a team to call, with the same arguments (the samples are shared out; no
   barrier inside). [out] x: f32 [n, sample...]; labels: i32 [n]; targets: f32 [n, target...]; each may be NULL, and
   what the data set has not is left alone. Failures of a stream: pl_dataset_status. */
PL_API void pl_dataset_gather(const pl_dataset *ds, const pl_team *team, const uint32_t *positions, size_t n,
                              float *x, int32_t *labels, float *targets);
/* That position will soon be gathered: the processor may fetch it. Any thread. */
PL_API void pl_dataset_prefetch(const pl_dataset *ds, uint32_t position);

/* ---- batches ---- */

/* The positions 0..n-1 in the order of that epoch: a function of (seed, epoch), or 0..n-1 if not shuffled. */
PL_API void pl_epoch_order(uint32_t *order, size_t n, uint64_t seed, uint64_t epoch, bool shuffle);
/* Batches of batch_size (1 or more) in n samples; the last, partial one counts unless drop_last. */
PL_API size_t pl_batch_count(size_t n, size_t batch_size, bool drop_last);
/* Samples in batch `index` (from 0, below their number). */
PL_API size_t pl_batch_length(size_t n, size_t batch_size, size_t index);

/* ---- augmentation ----
   Alters a batch of images in place, for one training step. What happens to an image is a function of the generator
   of the batch and of its index in it, never of the number of threads. */

typedef struct pl_augment pl_augment;
struct cJSON;

/* type: one of pl_augment_types(); args: its options, as pl_options_read takes them (may be NULL), which also says the
   errors. PL_ERROR_VALUE also: no such type, or a range {low, high} with low above high. */
PL_API pl_augment *pl_augment_new(const char *type, const struct cJSON *args, pl_error *err);
/* One more who uses it, and frees it; returns a. */
PL_API pl_augment *pl_augment_retain(const pl_augment *a);
/* What it holds goes when the last one does it. */
PL_API void pl_augment_free(pl_augment *a);
/* Its type; its options and "type" as JSON, NULL when memory is short. */
PL_API const char *pl_augment_type(const pl_augment *a);
PL_API struct cJSON *pl_augment_config(const pl_augment *a);
/* All types; ends with NULL; static. */
PL_API const char *const *pl_augment_types(void);
/* For tests that try every type: options as JSON; NULL past the end. */
PL_API const char *pl_augment_example(const char *type, int i);

/* The generator of batch `batch` of an epoch, for the augmentation at `index` (0 to 255) in the list of them. */
PL_API pl_rng pl_augment_rng(uint64_t seed, uint64_t epoch, uint64_t batch, int index);
/* Floats of scratch memory that pl_augment_apply needs for a team of that size; 0: scratch may be NULL. */
PL_API size_t pl_augment_scratch(const pl_augment *a, int64_t height, int64_t width, int64_t channels, int threads);
/* images: f32 [n, height, width, channels]. For every member of a team to call, with the same arguments (the images
   are shared out; no barrier inside). */
PL_API void pl_augment_apply(const pl_augment *a, const pl_team *team, float *images, size_t n, int64_t height,
                             int64_t width, int64_t channels, pl_rng rng, float *scratch);
/* The same for image i of the batch alone, at `image`; scratch: pl_augment_scratch(.., 1) floats that nobody else uses
   meanwhile. */
PL_API void pl_augment_one(const pl_augment *a, float *image, size_t i, int64_t height, int64_t width, int64_t channels,
                           pl_rng rng, float *scratch);

/* ---- where data comes from ----
   PL_ERROR_IO: a file cannot be read; PL_ERROR_CORRUPT: it is not what it claims to be, or damaged. */

typedef struct pl_idx_sums {   /* SHA-256 of the uncompressed bytes of each file */
  char images[PL_SHA256_TEXT], labels[PL_SHA256_TEXT];
} pl_idx_sums;

/* An IDX file of any of the six element types, plain or gzip: i8 and i16 become i32, f64 becomes f32. sha256 (may be
   NULL) [out]: of the uncompressed bytes. The size that the header promises is checked against the file's length before
   memory is taken. */
PL_API pl_tensor *pl_idx_read(const char *path, char sha256[PL_SHA256_TEXT], pl_error *err);
/* [out] element type (of the tensor) and shape alone. */
PL_API pl_status pl_idx_head(const char *path, pl_dtype *type, pl_shape *shape, pl_error *err);
/* A data set from a pair of IDX files; images [N, H, W] become [N, H, W, 1]. sums [out] may be NULL; classes and errors
   also as for pl_dataset_new. */
PL_API pl_dataset *pl_dataset_read_idx(const char *images, const char *labels, int64_t classes, pl_idx_sums *sums,
                                       pl_error *err);
/* Handwritten-looking digits: u8 [count, 28, 28, 1] with labels 0 to 9, each about as often. Image i is a function of
   (seed, stream, i): two streams (say 0 for training and 1 for test) have no image in common. PL_ERROR_VALUE: count is
   not 1 to 2^32 - 1. */
PL_API pl_dataset *pl_dataset_digits(size_t count, uint64_t seed, uint64_t stream, pl_error *err);
/* [out] SHA-256 of a file's bytes as they are, or uncompressed if it is gzip. */
PL_API pl_status pl_file_sha256(char sha256[PL_SHA256_TEXT], const char *path, bool uncompressed, pl_error *err);

/* ---- fetching ---- */

/* Called now and then, on the thread that fetches, with the bytes there are and that there will be (0: unknown); false
   stops the transfer. */
typedef bool (*pl_progress_fn)(void *arg, int64_t now, int64_t total);
#define PL_DOWNLOAD_MOST ((int64_t)4 << 30)   /* longer files are refused */

/* Fetches an http or https URL into `path`, resuming after what is already there. A partial file stays for the next
   attempt. progress may be NULL. Whether the bytes are the right ones is for the caller to check. PL_ERROR_IO: the
   network, the server, the file, or libcurl is missing. One thread of the host at a time. */
PL_API pl_status pl_download(const char *url, const char *path, pl_progress_fn progress, void *arg, pl_error *err);

/* Takes the files `members` [n] out of a tar.gz or zip archive, into `folder` under the last parts of their names: all
   of them or, after a failure, none (unless the system refuses to rename them at the very end, into the folder they
   are in). progress may be NULL; its total is `most`. PL_ERROR_CORRUPT: no whole archive, a
   member that is not there once, or more than `most` bytes of members, wanted or not; PL_ERROR_IO: a file, the folder
   or the library is missing, or progress said stop. One thread of the host at a time. */
PL_API pl_status pl_unpack(const char *path, const char *folder, const char *const *members, size_t n, int64_t most,
                           pl_progress_fn progress, void *arg, pl_error *err);
/* Whether the library that unpacks is there; else PL_ERROR_IO says which. */
PL_API pl_status pl_unpack_load(pl_error *err);

#endif
