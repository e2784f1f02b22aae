/* JPEG through TurboJPEG, whose functions return instead of ending the program. A warning (the file ends too early)
   is an error here. */
#include <string.h>
#include <turbojpeg.h>
#include "base/library.h"
#include "data/readers/picture.h"

static struct {
  __typeof__(tjInitDecompress) *open;
  __typeof__(tjDestroy) *close;
  __typeof__(tjDecompressHeader3) *header;
  __typeof__(tjDecompress2) *decompress;
  __typeof__(tjGetErrorStr2) *message;
} jpeg;

pl_status pl_jpeg_load(pl_error *err) {
  static const char *const names[] = { "libturbojpeg.so.0", "libturbojpeg.0.dylib", "libturbojpeg.so", NULL };
  static const char *const functions[] = { "tjInitDecompress", "tjDestroy", "tjDecompressHeader3", "tjDecompress2",
                                           "tjGetErrorStr2", NULL };
  void **const at[] = { (void **)&jpeg.open, (void **)&jpeg.close, (void **)&jpeg.header, (void **)&jpeg.decompress,
                        (void **)&jpeg.message };
  return pl_load_library("JPEG pictures need libjpeg-turbo", names, "libturbojpeg0", functions, at, err);
}

bool pl_jpeg_is(const uint8_t *file, size_t size) { return size >= 3 && memcmp(file, "\xff\xd8\xff", 3) == 0; }

static pl_status refuse(const pl_picture *p, tjhandle handle, pl_error *err) {
  return pl_error_set(err, PL_ERROR_CORRUPT, "%s is not a whole JPEG picture: %.100s", p->path, jpeg.message(handle));
}

pl_status pl_jpeg_head(pl_picture *p, pl_error *err) {
  int width = 0, height = 0, sampling = 0, colours = 0;
  tjhandle handle = jpeg.open();
  if (handle == NULL) return pl_error_set(err, PL_ERROR_MEMORY, "%s: not enough memory", p->path);
  pl_status status = PL_OK;
  if (jpeg.header(handle, p->file, p->size, &width, &height, &sampling, &colours) != 0) status = refuse(p, handle, err);
  else if (colours == TJCS_CMYK || colours == TJCS_YCCK)
    status = pl_error_set(err, PL_ERROR_CORRUPT, "%s has the colours of a press (CMYK); convert it to RGB", p->path);
  jpeg.close(handle);
  p->height = height;
  p->width = width;
  p->channels = colours == TJCS_GRAY ? 1 : 3;
  return status;
}

pl_status pl_jpeg_pixels(pl_picture *p, pl_error *err) {
  tjhandle handle = jpeg.open();
  if (handle == NULL) return pl_error_set(err, PL_ERROR_MEMORY, "%s: not enough memory", p->path);
  pl_status status = PL_OK;
  int format = p->channels == 1 ? TJPF_GRAY : TJPF_RGB;
  if (jpeg.decompress(handle, p->file, p->size, p->pixels, (int)p->width, 0, (int)p->height, format,
                      TJFLAG_ACCURATEDCT) != 0)
    status = refuse(p, handle, err);
  jpeg.close(handle);
  return status;
}
