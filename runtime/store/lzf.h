/* LZF, the fast compression that h5py brings along and libhdf5 does not. */
#ifndef STORE_LZF_H
#define STORE_LZF_H

#include "store/hdf5.h"

/* *n bytes become *n bytes in out, of `capacity` bytes. False: they are damaged, or become more. */
bool pl_lzf_unpack(uint8_t *out, size_t capacity, const uint8_t *in, size_t *n);
extern const H5Z_class2_t pl_lzf_filter;   /* for libhdf5; it only reads */

#endif
