/* Reading ahead of those who take samples. Window k is the positions [first[k], first[k + 1]) of the order; it lies in
   slot k mod slots, in the order of the file. Invariant: slots hold windows of [base, base + slots), where base is the
   window of the lowest position that is still asked for, and only grows; a slot is filled anew when its window is below
   base, and then nobody reads it. So a window that is held and not below base needs no lock.
   There are two slots; where a batch has samples of more windows, as many and one, up to the next power of two.
   One at a time reads: the thread, or (shared) a member that takes a sample while of the next window less was read than
   was taken of this one. */
#include <stdatomic.h>
#include <string.h>
#include "data/dataset.h"
#include "data/stream.h"

enum { SLOTS_LEAST = 2 };
#define NO_WINDOW SIZE_MAX

struct pl_read_ahead {
  pl_dataset *ds;
  pl_stream *stream;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t filled, wanted;
  size_t batch;                  /* positions that are taken together, from a multiple of it on */
  size_t slots;
  char *memory;                  /* [slots, window, row_bytes] */
  uint32_t *sorted_at;           /* [slots, window]: which sample of the slot is the one at a position */
  uint32_t *rows;                /* [window] of the window that is read */
  uint64_t *spare;               /* [2, window] to sort them */
  atomic_size_t *held;           /* [slots]: the window in each, complete; NO_WINDOW: none */
  atomic_size_t base;
  atomic_size_t read;            /* positions up to which all was read, or skipped */
  atomic_bool shared;            /* those who take samples read, not the thread */
  const uint32_t *order;
  size_t *first;                 /* [windows + 1] */
  size_t windows, next, done;    /* next: the window to read; done: how much of it was read */
  bool busy, stop;               /* busy: somebody reads */
};

static char *slot(const pl_read_ahead *c, size_t window) {
  return c->memory + (window & (c->slots - 1)) * c->stream->window * c->stream->row_bytes;
}

static uint32_t *sorted_at(const pl_read_ahead *c, size_t window) {
  return c->sorted_at + (window & (c->slots - 1)) * c->stream->window;
}

static bool has_work(const pl_read_ahead *c) {
  return !c->busy && c->next < c->windows && c->next < c->base + c->slots;
}

static void begin_window(pl_read_ahead *c, size_t k, size_t m) {
  for (size_t i = 0; i < m; i++) c->rows[i] = c->ds->rows[c->order[c->first[k] + i]];
  pl_stream_sort(c->rows, sorted_at(c, k), m, c->spare);
  if (c->shared) c->stream->fetch(c->stream, c->rows, m);
}

/* With the lock held, where there is work; it is given back while the file is read. */
static void read_some(pl_read_ahead *c) {
  if (c->next < c->base) c->next = c->base, c->done = 0;
  size_t k = c->next, done = c->done, m = c->first[k + 1] - c->first[k], some = 0;
  pl_error err;
  c->busy = true;
  if (done == 0) c->held[k & (c->slots - 1)] = NO_WINDOW;
  pthread_mutex_unlock(&c->lock);
  if (done == 0) begin_window(c, k, m);
  char *to = slot(c, k) + done * c->stream->row_bytes;
  if (c->stream->read(c->stream, to, c->rows + done, m - done, &some, &err)) {
    some = m - done;
    memset(to, 0, some * c->stream->row_bytes);
    pl_stream_fail(c->stream, &err);
  }
  pthread_mutex_lock(&c->lock);
  c->busy = false;
  c->done += some;
  if (c->done == m) {
    c->held[k & (c->slots - 1)] = k;
    c->next = k + 1;
    c->done = 0;
  }
  c->read = c->first[c->next] + c->done;
  if (c->done == 0 || c->shared || c->windows == 0) pthread_cond_broadcast(&c->filled);
  if (!c->shared && has_work(c)) pthread_cond_signal(&c->wanted);   /* who took samples read, and does no more */
}

static void *run(void *arg) {
  pl_read_ahead *c = arg;
  pthread_mutex_lock(&c->lock);
  while (!c->stop) {
    if (!c->shared && has_work(c)) read_some(c);
    else pthread_cond_wait(&c->wanted, &c->lock);
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

static bool allocate_slots(pl_read_ahead *c, size_t slots, pl_error *err) {
  pl_free(c->memory);
  pl_free(c->sorted_at);
  pl_free(c->held);
  c->memory = pl_alloc_array(slots * c->stream->window, c->stream->row_bytes, err);
  c->sorted_at = pl_alloc_array(slots * c->stream->window, sizeof *c->sorted_at, err);
  c->held = pl_alloc_array(slots, sizeof *c->held, err);
  bool ok = c->memory && c->sorted_at && c->held;
  c->slots = ok ? slots : 0;
  return ok;
}

pl_read_ahead *pl_read_ahead_open(const pl_dataset *ds, size_t batch, pl_error *err) {
  pl_read_ahead *c = pl_alloc(sizeof *c, err);
  if (c == NULL) return NULL;
  c->ds = pl_dataset_retain(ds);
  c->stream = ds->stream;
  c->batch = batch;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->filled, NULL);
  pthread_cond_init(&c->wanted, NULL);
  bool ok = allocate_slots(c, SLOTS_LEAST, err);
  c->rows = pl_alloc_array(c->stream->window, sizeof *c->rows, err);
  c->spare = pl_alloc_array(2 * c->stream->window, sizeof *c->spare, err);
  c->first = pl_alloc_array(pl_stream_windows_most(c->stream, ds->count) + 1, sizeof *c->first, err);
  if (ok && c->rows && c->spare && c->first) {
    if (pthread_create(&c->thread, NULL, run, c) == 0) return c;
    pl_error_set(err, PL_ERROR_MEMORY, "no thread can be started to read ahead");
  }
  c->stop = true;   /* there is no thread */
  pl_read_ahead_close(c);
  return NULL;
}

void pl_read_ahead_close(pl_read_ahead *c) {
  if (c == NULL) return;
  pthread_mutex_lock(&c->lock);
  bool started = !c->stop;
  c->stop = true;
  pthread_cond_signal(&c->wanted);
  pthread_mutex_unlock(&c->lock);
  if (started) pthread_join(c->thread, NULL);
  pthread_mutex_destroy(&c->lock);
  pthread_cond_destroy(&c->filled);
  pthread_cond_destroy(&c->wanted);
  pl_free(c->memory);
  pl_free(c->rows);
  pl_free(c->sorted_at);
  pl_free(c->held);
  pl_free(c->spare);
  pl_free(c->first);
  pl_dataset_free(c->ds);
  pl_free(c);
}

/* Of how many windows a batch has samples, at most. */
static size_t windows_of_a_batch(const pl_read_ahead *c) {
  size_t most = 1;
  for (size_t from = 0, k = 0, last; from < c->ds->count; from += c->batch) {
    size_t end = c->batch < c->ds->count - from ? from + c->batch : c->ds->count;
    while (c->first[k + 1] <= from) k++;
    for (last = k; c->first[last + 1] < end; ) last++;
    if (last - k + 1 > most) most = last - k + 1;
  }
  return most;
}

pl_status pl_read_ahead_start(pl_read_ahead *c, uint32_t *order, uint64_t seed, uint64_t epoch, bool shuffle,
                              pl_error *err) {
  pthread_mutex_lock(&c->lock);
  c->windows = 0;   /* no further window of the old order is begun */
  while (c->busy) pthread_cond_wait(&c->filled, &c->lock);
  c->order = order;
  c->base = c->read = c->next = c->done = 0;
  size_t windows, needed = 0;
  pl_status status = pl_stream_order(c->stream, c->ds->rows, order, c->ds->count, seed, epoch, shuffle, c->first,
                                     &windows, err);
  if (status == PL_OK) needed = windows_of_a_batch(c);
  size_t slots = SLOTS_LEAST;
  while (needed > SLOTS_LEAST && slots < needed + 1) slots *= 2;
  if (status == PL_OK && slots > c->slots && !allocate_slots(c, slots, err)) status = PL_ERROR_MEMORY;
  if (status == PL_OK) {
    for (size_t k = 0; k < c->slots; k++) c->held[k] = NO_WINDOW;
    c->windows = windows;
  }
  pthread_mutex_unlock(&c->lock);   /* the first take says where to begin */
  return status;
}

void pl_read_ahead_share(pl_read_ahead *c, bool all_cores) {
  pthread_mutex_lock(&c->lock);
  c->shared = all_cores && c->stream->fetch != NULL;
  pthread_cond_signal(&c->wanted);
  pthread_cond_broadcast(&c->filled);   /* who waits for the thread may have to read now */
  pthread_mutex_unlock(&c->lock);
}

static size_t window_of(const pl_read_ahead *c, size_t position) {
  size_t k = atomic_load_explicit(&c->base, memory_order_relaxed);   /* not far from it */
  while (position >= c->first[k + 1]) k++;
  while (position < c->first[k]) k--;
  return k;
}

/* Waits until window k is there, or reads it; false if it will not be: it is below base, or too far ahead. */
static bool wait_for(pl_read_ahead *c, size_t k, size_t base) {
  pthread_mutex_lock(&c->lock);
  if (base > c->base || c->next == 0) {
    c->base = base > c->base ? base : c->base;
    if (!c->shared && has_work(c)) pthread_cond_signal(&c->wanted);
  }
  bool near = k >= c->base && k < c->base + c->slots;
  while (near && c->held[k & (c->slots - 1)] != k) {
    if (c->shared && has_work(c)) read_some(c);
    else pthread_cond_wait(&c->filled, &c->lock);
  }
  pthread_mutex_unlock(&c->lock);
  return near;
}

/* So that the next window is there when it is its turn: of it as much is read as was taken of this one, window k. */
static void share(pl_read_ahead *c, size_t k, size_t position) {
  if (!c->shared || c->read > position + c->first[k + 1] - c->first[k]) return;
  if (pthread_mutex_trylock(&c->lock) != 0) return;
  if (has_work(c)) read_some(c);
  pthread_mutex_unlock(&c->lock);
}

/* Known without a lock: window k is there and stays. */
static bool is_held(pl_read_ahead *c, size_t k, size_t base) {
  size_t known = atomic_load_explicit(&c->base, memory_order_relaxed);
  return base <= known && k >= known && atomic_load_explicit(&c->held[k & (c->slots - 1)], memory_order_acquire) == k;
}

void pl_read_ahead_take(pl_read_ahead *c, size_t position, size_t low, float *x) {
  size_t base = window_of(c, low), k = window_of(c, position);
  if (is_held(c, k, base) || wait_for(c, k, base)) {
    size_t at = sorted_at(c, k)[position - c->first[k]];
    pl_dataset_finish(c->ds, slot(c, k) + at * c->stream->row_bytes, x);
    share(c, k, position);
  } else {
    const pl_team one = { .size = 1 };
    pl_dataset_gather(c->ds, &one, c->order + position, 1, x, NULL, NULL);
  }
}
