/* How an element type is called, how long it is, what it is in the file and in memory. */
#ifndef STORE_HDF5_TYPES_H
#define STORE_HDF5_TYPES_H

#include "perilune/store.h"
#include "store/hdf5.h"

enum { STORE_NAME_MOST = 256 };   /* bytes of one name in a path, its zero included */
enum { STORE_PATH_MOST = 128 };   /* names in a path that is read */

hid_t pl_store_file_type(pl_store_type type);     /* [borrowed] not of TEXT and BOOL */
hid_t pl_store_memory_type(pl_store_type type);   /* [borrowed] */
hid_t pl_store_text_type(size_t length);          /* new: fixed length, UTF-8, padded with zero bytes */
hid_t pl_store_bool_type(hid_t base);             /* new: the enumeration FALSE, TRUE, which h5py reads as bool */

/* The next name of `path`, in `name`; *path moves past it. False at the end, and (with an error) on a bad name. */
bool pl_store_next_name(const char **path, char name[STORE_NAME_MOST], pl_error *err);

#endif
