/* Counted memory. One block holds the count and, one cache line later, the elements; wrapped memory stays
   where it is. */
#include <stdatomic.h>
#include "tensor/internal.h"
#include "perilune/alloc.h"

struct pl_storage {
  atomic_int views;
  atomic_ullong version;         /* writes in place so far */
  _Atomic(const char *) writer;  /* the last of them: static text */
  void (*release)(void *owner);
  void (*written)(void *owner);  /* at each write in place; NULL: nobody wants to know */
  void *owner;
};

enum { LINE = 64 };
_Static_assert(sizeof(struct pl_storage) <= LINE, "the head of a storage fits into the line before its elements");

pl_storage *pl_storage_new(size_t bytes, void **data, pl_error *err) {
  pl_storage *storage = pl_alloc(LINE + bytes, err);
  if (storage == NULL) return NULL;
  atomic_init(&storage->views, 1);
  atomic_init(&storage->version, 0);
  atomic_init(&storage->writer, NULL);
  *data = (char *)storage + LINE;
  return storage;
}

pl_storage *pl_storage_wrap(void (*release)(void *owner), void *owner, pl_error *err) {
  void *data;
  pl_storage *storage = pl_storage_new(0, &data, err);
  if (storage == NULL) return NULL;
  storage->release = release;
  storage->owner = owner;
  return storage;
}

void pl_storage_retain(pl_storage *storage) { atomic_fetch_add_explicit(&storage->views, 1, memory_order_relaxed); }

void pl_storage_release(pl_storage *storage) {
  if (atomic_fetch_sub_explicit(&storage->views, 1, memory_order_acq_rel) > 1) return;
  if (storage->release != NULL) storage->release(storage->owner);
  pl_free(storage);
}

void pl_storage_note_write(pl_storage *storage, const char *what) {
  atomic_store_explicit(&storage->writer, what, memory_order_relaxed);
  atomic_fetch_add_explicit(&storage->version, 1, memory_order_relaxed);
  if (storage->written != NULL) storage->written(storage->owner);
}

void pl_storage_on_write(pl_storage *storage, void (*written)(void *owner)) { storage->written = written; }

uint64_t pl_storage_version(const pl_storage *storage, const char **writer) {
  *writer = atomic_load_explicit(&storage->writer, memory_order_relaxed);
  return atomic_load_explicit(&storage->version, memory_order_relaxed);
}

bool pl_storage_shared(const pl_storage *storage) {
  return atomic_load_explicit(&storage->views, memory_order_relaxed) > 1;
}
