#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "perilune/alloc.h"
#include "store/syscalls.h"
#include "support_store.h"

char scratch_folder[256];

const char *at(const char *name) {
  static char path[4][700];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", scratch_folder, name);
  return path[turn];
}

int scratch_begin(const char *name) {
  const char *scratch = getenv("TEST_TMP");
  snprintf(scratch_folder, sizeof scratch_folder, "%s/%s_XXXXXX", scratch ? scratch : "/tmp", name);
  return mkdtemp(scratch_folder) == NULL;
}

void assert_holds(const char *path, const char *text) {
  pl_error err = { 0 };
  void *data;
  size_t size;
  assert_int_equal(pl_store_read_file(path, &data, &size, &err), PL_OK);
  assert_int_equal(size, strlen(text));
  assert_string_equal(data, text);
  pl_free(data);
}

int left_behind(const char *name) {
  int n = 0;
  DIR *dir = opendir(scratch_folder);
  assert_non_null(dir);
  for (const struct dirent *e; (e = readdir(dir)) != NULL; )
    n += strncmp(e->d_name, name, strlen(name)) == 0 && strstr(e->d_name, ".tmp") != NULL;
  closedir(dir);
  return n;
}

void save(const char *path, const char *text) {
  pl_error err = { 0 };
  if (pl_store_write_file(path, text, strlen(text), &err)) fail_msg("%s", err.text);
}

static pl_syscalls real;   /* as they were at first */
int calls;
static int fault_at, fault_errno;
static enum fault fault;
char trace[400];

static int faulty(const char *name) {
  if (strlen(trace) + strlen(name) + 2 < sizeof trace) strcat(strcat(trace, name), " ");
  if (++calls != fault_at) return 0;
  if (fault == DIE_BEFORE) raise(SIGKILL);
  errno = fault_errno;
  return 1;
}

#define FINISH(name, call) \
  int hit = faulty(name); \
  if (hit && fault == FAIL) return -1; \
  int result = call; \
  if (hit && fault == DIE_AFTER) raise(SIGKILL); \
  return result;

static int my_open(const char *path, int flags, mode_t mode) {
  FINISH(flags & O_DIRECTORY ? "opendir" : "open", real.open(path, flags, mode))
}
static int my_fsync(int fd) { FINISH("fsync", real.fsync(fd)) }
static int my_ftruncate(int fd, off_t size) { FINISH("ftruncate", real.ftruncate(fd, size)) }
static int my_fchmod(int fd, mode_t mode) { FINISH("fchmod", real.fchmod(fd, mode)) }
static int my_fchown(int fd, uid_t user, gid_t group) { FINISH("fchown", real.fchown(fd, user, group)) }
static int my_rename(const char *from, const char *to) { FINISH("rename", real.rename(from, to)) }
static int my_unlink(const char *path) { FINISH("unlink", real.unlink(path)) }
static int my_mkdir(const char *path, mode_t mode) { FINISH("mkdir", real.mkdir(path, mode)) }

static int my_close(int fd) {   /* a failing close still closes */
  int hit = faulty("close");
  int result = real.close(fd);
  if (hit && fault == DIE_AFTER) raise(SIGKILL);
  return hit && fault == FAIL ? -1 : result;
}

static ssize_t my_write(int fd, const void *data, size_t size) {
  static int failing;
  int hit = faulty("write");
  if (failing) {
    failing = 0;
    errno = fault_errno;
    return -1;
  }
  if (hit && fault == FAIL) return -1;
  if (hit && fault == NOTHING) return 0;
  if (hit && fault != DIE_AFTER) size /= 2;
  ssize_t result = real.write(fd, data, size);
  if (hit && fault == DIE_AFTER) raise(SIGKILL);
  failing = hit && fault == SHORT_THEN_FAIL;
  return result;
}

void arm(int nth, enum fault kind, int number) {
  if (real.open == NULL) real = pl_store_syscalls;
  calls = 0;
  trace[0] = '\0';
  fault_at = nth;
  fault = kind;
  fault_errno = number;
  pl_store_syscalls = (pl_syscalls){ .open = my_open, .write = my_write, .ftruncate = my_ftruncate, .fsync = my_fsync,
                                     .fchmod = my_fchmod, .fchown = my_fchown, .close = my_close, .rename = my_rename,
                                     .unlink = my_unlink, .mkdir = my_mkdir };
}

void disarm(void) { pl_store_syscalls = real; }

pl_store_writer *create_tree(const char *path) {
  pl_error err = { 0 };
  pl_store_writer *w = pl_store_create(path, &err);
  if (w == NULL) fail_msg("%s", err.text);
  return w;
}

pl_store_reader *open_tree(const char *path) {
  pl_error err = { 0 };
  pl_store_reader *r = pl_store_open(path, false, &err);
  if (r == NULL) fail_msg("%s", err.text);
  return r;
}

const float sample_floats[6] = { 0.0f, -0.0f, 1e-45f, INFINITY, 3.4028235e38f, 0.1f };
const double sample_doubles[4] = { -0.0, 5e-324, 0.1, 1.7976931348623157e308 };
const int64_t sample_longs[3] = { INT64_MIN, -1, INT64_MAX };
const int32_t sample_ints[2] = { INT32_MIN, INT32_MAX };
const uint8_t sample_bytes[3] = { 0, 128, 255 };
const uint32_t sample_nan = 0x7fc12345;

void write_sample(const char *path) {
  pl_store_writer *w = create_tree(path);
  double pi = 3.141592653589793, nothing = NAN;
  int64_t big = INT64_MIN;
  bool yes = true;
  float weird;
  memcpy(&weird, &sample_nan, 4);
  GOOD(pl_store_attr(w, "/", "format", PL_STORE_TEXT, "sample", 6, &err));
  GOOD(pl_store_group(w, "/zeta/inner", &err));
  GOOD(pl_store_attr(w, "/zeta", "pi", PL_STORE_F64, &pi, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "nan", PL_STORE_F64, &nothing, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "big", PL_STORE_I64, &big, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "yes", PL_STORE_BOOL, &yes, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "empty", PL_STORE_TEXT, NULL, 0, &err));
  GOOD(pl_store_attr(w, "/zeta", "größe", PL_STORE_TEXT, "naïve\n\0x", 9, &err));
  GOOD(pl_store_data(w, "/zeta/f32", PL_STORE_F32, &(pl_shape){ 2, { 2, 3 } }, sample_floats, 0, &err));
  GOOD(pl_store_data(w, "alpha/f64", PL_STORE_F64, &(pl_shape){ 1, { 4 } }, sample_doubles, 0, &err));
  GOOD(pl_store_data(w, "alpha/i64", PL_STORE_I64, &(pl_shape){ 1, { 3 } }, sample_longs, 0, &err));
  GOOD(pl_store_data(w, "alpha/i32", PL_STORE_I32, &(pl_shape){ 2, { 1, 2 } }, sample_ints, 0, &err));
  GOOD(pl_store_data(w, "alpha/u8", PL_STORE_U8, &(pl_shape){ 6, { 1, 1, 3, 1, 1, 1 } }, sample_bytes, 9, &err));
  GOOD(pl_store_data(w, "alpha/scalar", PL_STORE_F32, &(pl_shape){ 0, { 0 } }, &weird, 0, &err));
  GOOD(pl_store_data(w, "alpha/none", PL_STORE_F32, &(pl_shape){ 2, { 3, 0 } }, NULL, 0, &err));
  GOOD(pl_store_text(w, "text/short", "return {}\n", 10, &err));
  GOOD(pl_store_text(w, "text/empty", "", 0, &err));
  GOOD(pl_store_scale(w, "alpha/f64", "epoch", &err));
  GOOD(pl_store_commit(w, &err));
}
