/* Adds patches of an image where they belong (see kernels.h). */
#include "kernels/kernels.h"
#include "kernels/vec.h"

/* Columns of patches outside, their rows inside: what is added to one pixel in turn lies at the same address and is
   handed from a store to the next load; patches side by side overlap only partly and would have to wait. */
INLINE void add_patches(float *image, ptrdiff_t row, const float *patches, const pl_patches *p, const size_t part) {
  for (size_t oy = 0; oy < p->oh; oy++) {
    float *to = image + (ptrdiff_t)oy * p->step_y;
    const float *from = patches + oy * p->ow * p->kh * p->width;
    for (size_t ky = 0; ky < p->kh; ky++, to += row, from += p->width)
      vf_write(to, vf_read(to, part) + vf_read(from, part), part);
  }
}

void PL_KERNEL(scatter_patches)(float *image, ptrdiff_t row, const float *patches, const pl_patches *p) {
  for (size_t ox = 0; ox < p->ow; ox++, image += p->step_x, patches += p->kh * p->width) {
    size_t j = 0;
    for (; j + PL_LANES <= p->width; j += PL_LANES) add_patches(image + j, row, patches + j, p, PL_LANES);
    if (j < p->width) add_patches(image + j, row, patches + j, p, p->width - j);
  }
}
