/* PNG through libpng's simplified interface, which returns instead of jumping. It corrects colours by what some
   files say of their gamma; training data are the file's own values, so those chunks are left out of the copy that it
   is given. */
#include <png.h>
#include <string.h>
#include "base/library.h"
#include "data/readers/picture.h"

static struct {
  __typeof__(png_image_begin_read_from_memory) *begin;
  __typeof__(png_image_finish_read) *finish;
  __typeof__(png_image_free) *free;
} png;

pl_status pl_png_load(pl_error *err) {
  static const char *const names[] = { "libpng16.so.16", "libpng16.16.dylib", "libpng16.so", NULL };
  static const char *const functions[] = { "png_image_begin_read_from_memory", "png_image_finish_read",
                                           "png_image_free", NULL };
  void **const at[] = { (void **)&png.begin, (void **)&png.finish, (void **)&png.free };
  return pl_load_library("PNG pictures need libpng", names, "libpng16-16", functions, at, err);
}

bool pl_png_is(const uint8_t *file, size_t size) { return size >= 8 && memcmp(file, "\x89PNG\r\n\x1a\n", 8) == 0; }

/* Chunks are length, type, data, sum. What does not look like one ends the walk: libpng will say what is wrong. */
static void leave_out_colour_spaces(pl_picture *p) {
  size_t from = 8, to = 8;
  while (p->size - from >= 12) {
    const uint8_t *chunk = p->file + from;
    size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
    if (length > p->size - from - 12) break;
    bool out = memcmp(chunk + 4, "gAMA", 4) == 0 || memcmp(chunk + 4, "cHRM", 4) == 0 ||
               memcmp(chunk + 4, "sRGB", 4) == 0 || memcmp(chunk + 4, "iCCP", 4) == 0;
    if (!out) {
      memmove(p->file + to, chunk, length + 12);
      to += length + 12;
    }
    from += length + 12;
  }
  memmove(p->file + to, p->file + from, p->size - from);
  p->size -= from - to;
}

static pl_status refuse(const pl_picture *p, png_image *image, pl_error *err) {
  pl_error_set(err, PL_ERROR_CORRUPT, "%s is not a whole PNG picture: %.60s", p->path, image->message);
  png.free(image);
  return PL_ERROR_CORRUPT;
}

static pl_status begin(pl_picture *p, png_image *image, pl_error *err) {
  *image = (png_image){ .version = PNG_IMAGE_VERSION };
  if (!png.begin(image, p->file, p->size) || image->warning_or_error >= 2) return refuse(p, image, err);
  image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;   /* samples of 16 bits are not linear either */
  image->format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
  return PL_OK;
}

pl_status pl_png_head(pl_picture *p, pl_error *err) {
  png_image image;
  leave_out_colour_spaces(p);
  pl_status status = begin(p, &image, err);
  if (status) return status;
  p->height = image.height;
  p->width = image.width;
  p->channels = (int)PNG_IMAGE_SAMPLE_CHANNELS(image.format);
  png.free(&image);
  return PL_OK;
}

pl_status pl_png_pixels(pl_picture *p, pl_error *err) {
  png_image image;
  pl_status status = begin(p, &image, err);
  if (status) return status;
  if (!png.finish(&image, NULL, p->pixels, 0, NULL)) return refuse(p, &image, err);
  png.free(&image);
  return PL_OK;
}
