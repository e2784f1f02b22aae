/* libhdf5, loaded when the first file needs it: it brings three dozen shared objects along (curl, TLS, Kerberos), which
   would cost every start of the program several milliseconds. Its functions are called as hdf5.H5Fopen(...), after
   pl_hdf5_load; the list below is the only place that names them twice. */
#ifndef STORE_HDF5_H
#define STORE_HDF5_H

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include "perilune/error.h"

/* The header's constants (H5F_ACC_TRUNC) call these two functions on every use, and would link to them. */
#undef H5CHECK
#undef H5OPEN
#define H5CHECK
#define H5OPEN

/* The kinds of this call that count an object's links. */
#if H5_VERSION_GE(1, 12, 0)
#define OBJECT_INFO H5Oget_info3
typedef H5O_info2_t pl_object_info;
#else
#define OBJECT_INFO H5Oget_info2
typedef H5O_info_t pl_object_info;
#endif

/* HDF5 2.0 has a second kind of this call, which is told how large the buffer is. */
#if H5_VERSION_GE(2, 0, 0)
#define READ_CHUNK H5Dread_chunk1
#else
#define READ_CHUNK H5Dread_chunk
#endif

#define HDF5_FUNCTIONS(X) \
  X(H5dont_atexit) X(H5open) X(H5get_libversion) X(H5free_memory) X(H5Eset_auto2) X(H5Ewalk2) X(H5Eclear2) \
  X(H5Iget_type) X(H5Pcreate) X(H5Pclose) X(H5Pset_libver_bounds) X(H5Pset_userblock) X(H5Pset_fclose_degree) \
  X(H5Pset_fapl_core) X(H5Pset_file_image_callbacks) X(H5Pset_link_creation_order) \
  X(H5Pget_link_creation_order) X(H5Pset_attr_creation_order) X(H5Pget_attr_creation_order) \
  X(H5Pset_obj_track_times) X(H5Pset_char_encoding) X(H5Pset_chunk) X(H5Pget_chunk) X(H5Pget_layout) \
  X(H5Pset_layout) X(H5Pset_fill_time) X(H5Pset_fletcher32) X(H5Pset_deflate) X(H5Pget_nfilters) \
  X(H5Pget_external_count) X(H5Pget_filter2) X(H5Pget_chunk_opts) \
  X(H5Fcreate) X(H5Fopen) X(H5Fclose) X(H5Gcreate2) X(H5Gopen2) X(H5Gclose) X(H5Gget_info) X(H5Gget_create_plist) \
  X(H5Lexists) X(H5Lget_info) X(H5Lget_val) X(H5Literate) X(H5Oopen) X(H5Oclose) X(OBJECT_INFO) X(H5Dcreate2) \
  X(H5Dopen2) X(H5Dwrite) X(H5Dread) X(H5Dclose) X(H5Dget_offset) X(READ_CHUNK) \
  X(H5Dget_chunk_storage_size) X(H5Dget_storage_size) X(H5Dget_space) X(H5Dget_type) X(H5Dget_create_plist) \
  X(H5Screate) X(H5Screate_simple) X(H5Sclose) X(H5Sselect_hyperslab) X(H5Sget_simple_extent_type) \
  X(H5Sget_simple_extent_ndims) X(H5Sget_simple_extent_dims) X(H5Acreate2) X(H5Aopen) X(H5Aiterate2) X(H5Aget_name) \
  X(H5Aget_type) X(H5Aget_space) X(H5Aread) X(H5Awrite) X(H5Aclose) X(H5Tcopy) X(H5Tclose) X(H5Tget_class) \
  X(H5Tget_order) X(H5Tget_size) X(H5Tget_sign) X(H5Tget_precision) X(H5Tget_offset) X(H5Tget_fields) \
  X(H5Tget_ebias) X(H5Tget_norm) X(H5Tset_size) X(H5Tset_strpad) X(H5Tset_cset) X(H5Tis_variable_str) \
  X(H5Tenum_create) X(H5Tenum_insert) X(H5Tget_nmembers) X(H5Tget_super) X(H5FDregister) \
  X(H5Pset_driver) X(H5Pget_driver_info) X(H5Zregister) X(H5allocate_memory)

/* Ids that the library sets up as it opens; the macros of its header would link to them. */
#define HDF5_IDS(X) \
  X(H5P_CLS_FILE_ACCESS_ID_g) X(H5P_CLS_FILE_CREATE_ID_g) X(H5P_CLS_GROUP_CREATE_ID_g) X(H5P_CLS_DATASET_CREATE_ID_g) \
  X(H5P_CLS_LINK_CREATE_ID_g) X(H5P_CLS_ATTRIBUTE_CREATE_ID_g) X(H5T_IEEE_F32LE_g) X(H5T_IEEE_F64LE_g) \
  X(H5T_STD_U8LE_g) X(H5T_STD_I8LE_g) X(H5T_STD_I32LE_g) X(H5T_STD_I64LE_g) X(H5T_C_S1_g) X(H5T_NATIVE_FLOAT_g) \
  X(H5T_NATIVE_DOUBLE_g) X(H5T_NATIVE_UINT8_g) X(H5T_NATIVE_INT8_g) X(H5T_NATIVE_INT32_g) X(H5T_NATIVE_INT64_g)

#define HDF5_FUNCTION_FIELD(f) __typeof__(f) *f;
#define HDF5_ID_FIELD(id) hid_t id;
struct pl_hdf5 {
  HDF5_FUNCTIONS(HDF5_FUNCTION_FIELD)
  HDF5_IDS(HDF5_ID_FIELD)
};
extern struct pl_hdf5 hdf5;

pl_status pl_hdf5_load(pl_error *err);
/* Fills err with the given text and the innermost message of libhdf5's error stack, which it empties. */
pl_status pl_hdf5_error(pl_error *err, pl_status status, const char *format, ...) PL_PRINTF(3, 4);

/* A file that is made in memory: after H5Fclose as libhdf5 left it (free `data` with pl_free). It must outlive the HDF5
   file, whose end shows in `released`, also when closing fails. */
typedef struct pl_memory_file {
  unsigned char *data;
  size_t size;
  bool released;
} pl_memory_file;

hid_t pl_memory_file_create(pl_memory_file *memory, pl_error *err);   /* an HDF5 file id, or -1 */
/* all objects of the file with it; the id is gone in any case */
pl_status pl_memory_file_close(pl_memory_file *memory, hid_t file, pl_error *err);

#endif
