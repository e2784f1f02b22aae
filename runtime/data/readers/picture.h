/* What the readers of pictures share. */
#ifndef READERS_PICTURE_H
#define READERS_PICTURE_H

#include "perilune/alloc.h"
#include "perilune/readers.h"

enum { PICTURE_SIDE_MOST = 65535, PICTURE_PIXELS_MOST = 1 << 28 };

typedef struct pl_picture {
  const char *path;
  uint8_t *file;               /* the file's bytes */
  size_t size;
  int64_t height, width;
  int channels;                /* of `pixels`: 1 gray, 2 gray and alpha, 3 colours, 4 colours and alpha */
  uint8_t *pixels;             /* NULL until they are read */
} pl_picture;

bool pl_png_is(const uint8_t *file, size_t size);
pl_status pl_png_load(pl_error *err);
pl_status pl_png_head(pl_picture *p, pl_error *err);     /* fills height, width, channels */
pl_status pl_png_pixels(pl_picture *p, pl_error *err);   /* fills pixels, which have been allocated */

bool pl_jpeg_is(const uint8_t *file, size_t size);
pl_status pl_jpeg_load(pl_error *err);
pl_status pl_jpeg_head(pl_picture *p, pl_error *err);
pl_status pl_jpeg_pixels(pl_picture *p, pl_error *err);

/* May pictures become [height, width, channels]? 0 x 0: of the size that they have. */
pl_status pl_picture_check(int64_t height, int64_t width, int channels, pl_error *err);
/* Into `out` [height, width, channels]; exact: a picture of another size is an error. From any thread, once the
   libraries that such files need have been loaded. */
pl_status pl_picture_into(uint8_t *out, const char *path, int64_t height, int64_t width, bool exact, int channels,
                          pl_error *err);
pl_status pl_picture_libraries(const char *const *paths, size_t n, pl_error *err);

/* resize.c: bytes [in_height, in_width, channels] as bytes [height, width, channels] */
pl_status pl_resize_picture(uint8_t *out, int64_t height, int64_t width, const uint8_t *in, int64_t in_height,
                            int64_t in_width, int64_t channels, pl_error *err);

#endif
