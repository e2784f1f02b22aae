/* HDF5 files that are made in memory: libhdf5's core driver, with its memory in our hands through the callbacks of
   H5Pset_file_image_callbacks. A closing core driver gives its buffer to the `free` callback, and there it is the
   finished file; H5Fget_file_image, which needs the file still open, gives one whose superblock has its flags cleared
   but not its checksum mended, and h5dump refuses that. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "store/hdf5.h"
#include "store/user_block.h"
#include "perilune/alloc.h"

/* The core driver asks for its bytes to the next multiple of its increment; doubling keeps the copying linear. */
static void *image_realloc(void *old, size_t size, H5FD_file_image_op_t op, void *udata) {
  pl_memory_file *memory = udata;
  (void)op;
  if (size <= memory->size) return old;
  size_t grown = 2 * memory->size > size ? 2 * memory->size : size;
  unsigned char *data = pl_alloc(grown, NULL);
  if (data == NULL) return NULL;
  if (old != NULL) memcpy(data, old, memory->size);
  pl_free(memory->data);
  memory->data = data;
  memory->size = grown;
  return data;
}

static herr_t image_free(void *data, H5FD_file_image_op_t op, void *udata) {
  pl_memory_file *memory = udata;
  (void)data;
  if (op == H5FD_FILE_IMAGE_OP_FILE_CLOSE) memory->released = true;
  return 0;
}

static void *udata_copy(void *udata) { return udata; }

static herr_t udata_free(void *udata) {
  (void)udata;
  return 0;
}

/* A name is all by which libhdf5 tells open files in memory apart: each gets its own, below something that is no
   folder, because it tries to open the file of that name before it creates one. */
static void new_name(char name[40]) {
  static atomic_ulong count;
  snprintf(name, 40, "/dev/null/%lu", atomic_fetch_add(&count, 1) + 1);
}

static hid_t access_list(pl_memory_file *memory) {
  enum { INCREMENT = 64 << 10 };
  H5FD_file_image_callbacks_t callbacks = { NULL, NULL, image_realloc, image_free, udata_copy, udata_free, memory };
  hid_t access = hdf5.H5Pcreate(hdf5.H5P_CLS_FILE_ACCESS_ID_g);
  if (access >= 0 && hdf5.H5Pset_fapl_core(access, INCREMENT, 0) >= 0 &&
      hdf5.H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
      hdf5.H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
      hdf5.H5Pset_file_image_callbacks(access, &callbacks) >= 0) return access;
  hdf5.H5Pclose(access);
  return -1;
}

hid_t pl_memory_file_create(pl_memory_file *memory, pl_error *err) {
  char name[40];
  *memory = (pl_memory_file){ 0 };
  new_name(name);
  hid_t file = -1, access = access_list(memory), creation = hdf5.H5Pcreate(hdf5.H5P_CLS_FILE_CREATE_ID_g);
  if (access >= 0 && hdf5.H5Pset_userblock(creation, USER_BLOCK_SIZE) >= 0 &&
      hdf5.H5Pset_obj_track_times(creation, 0) >= 0 &&
      hdf5.H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
      hdf5.H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0) {
    file = hdf5.H5Fcreate(name, H5F_ACC_TRUNC, creation, access);
  }
  if (file < 0) pl_hdf5_error(err, PL_ERROR_MEMORY, "cannot begin a file in memory");
  hdf5.H5Pclose(creation);
  hdf5.H5Pclose(access);
  return file;
}

/* The file ends where its superblock says; after that is only what the buffer grew too far. */
static pl_status find_end(pl_memory_file *memory, pl_error *err) {
  enum { AT_VERSION = USER_BLOCK_SIZE + 8, AT_END = USER_BLOCK_SIZE + 28 };
  static const unsigned char signature[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
  uint64_t end = 0;
  if (memory->size >= AT_END + 8 && memcmp(memory->data + USER_BLOCK_SIZE, signature, sizeof signature) == 0 &&
      memory->data[AT_VERSION] == 3) {
    for (int i = 0; i < 8; i++) end |= (uint64_t)memory->data[AT_END + i] << 8 * i;
  }
  if (end <= USER_BLOCK_SIZE || end > memory->size)
    return pl_error_set(err, PL_ERROR_STATE, "libhdf5 left a file without a valid superblock");
  memory->size = (size_t)end;
  return PL_OK;
}

pl_status pl_memory_file_close(pl_memory_file *memory, hid_t file, pl_error *err) {
  if (hdf5.H5Fclose(file) < 0) return pl_hdf5_error(err, PL_ERROR_MEMORY, "cannot finish the file in memory");
  return find_end(memory, err);
}
