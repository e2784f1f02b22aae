/* Names of temporary files: <target>.<pid>-<place>-<count>.tmp, in hexadecimal; of a long name only the first 200
   bytes. `place` tells apart machines and containers that share a folder: only where it is our own does a pid say
   whether its process lives. Created exclusively, so that two savers of one path never write into one file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/syscalls.h"
#include "store/temporary.h"
#include "perilune/alloc.h"

#define SYS pl_store_syscalls

enum { BASE_MOST = 200, SUFFIX_MOST = 64, LINKS_MOST = 40 };

static atomic_ulong next_count;
static atomic_int saving;

void pl_store_save_begins(void) { atomic_fetch_add(&saving, 1); }
void pl_store_save_ends(void) { atomic_fetch_sub(&saving, 1); }

static char *copy(const char *text, size_t length, size_t room, pl_error *err) {
  char *out = pl_alloc(length + room + 1, err);
  if (out != NULL) memcpy(out, text, length);
  return out;
}

/* FNV-1a over the host's name and the number of the process's pid namespace. */
static uint32_t place(void) {
  char host[256] = "";
  struct stat st;
  uint32_t hash = 2166136261u;
  gethostname(host, sizeof host - 1);
  for (const char *c = host; *c; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
  if (stat("/proc/self/ns/pid", &st) == 0) {
    for (uint64_t i = (uint64_t)st.st_ino; i; i >>= 8) hash = (hash ^ (uint8_t)i) * 16777619u;
  }
  return hash;
}

static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

static size_t base_length(const char *path) {
  size_t length = strlen(path) - folder_length(path);
  return length < BASE_MOST ? length : BASE_MOST;
}

/* What the symbolic link at `path` leads to; an empty text when it is none. */
static char *follow(const char *path, pl_error *err) {
  enum { MOST = 4096 };
  size_t folder = folder_length(path);
  char *target = copy(path, folder, MOST, err);
  if (target == NULL) return NULL;
  ssize_t n = readlink(path, target + folder, MOST);
  if (n <= 0) target[0] = '\0';
  else {
    target[folder + (size_t)n] = '\0';
    if (target[folder] == '/') memmove(target, target + folder, (size_t)n + 1);
  }
  return target;
}

char *pl_store_target(const char *path, pl_error *err) {
  struct stat st;
  char *target = copy(path, strlen(path), 0, err);
  for (int links = 0; target != NULL; links++) {
    char *next = follow(target, err);
    if (next == NULL || next[0] == '\0' || links == LINKS_MOST) {
      bool known = next != NULL && next[0] == '\0';
      pl_free(next);
      if (next != NULL && !known) pl_error_set(err, PL_ERROR_IO, "cannot save %s: %s", path, strerror(ELOOP));
      if (known) break;
      pl_free(target);
      return NULL;
    }
    pl_free(target);
    target = next;
  }
  if (target == NULL || stat(target, &st) != 0 || S_ISREG(st.st_mode)) return target;
  pl_error_set(err, PL_ERROR_IO, "cannot save %s: it is a %s; only files are replaced", path,
               S_ISDIR(st.st_mode) ? "folder" : "device or pipe");
  pl_free(target);
  return NULL;
}

/* Owner before permissions: a new owner may cost some of these. Only what differs is changed. */
static int keep_owner_and_mode(int fd, const struct stat *old) {
  struct stat st;
  if (fstat(fd, &st) != 0) return -1;
  if (st.st_uid != old->st_uid || st.st_gid != old->st_gid) {
    if (SYS.fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM && errno != EINVAL && errno != ENOTSUP)
      return -1;
    if (fstat(fd, &st) != 0) return -1;
  }
  return (st.st_mode & 0777) == (old->st_mode & 0777) ? 0 : SYS.fchmod(fd, old->st_mode & 0777);
}

int pl_store_temporary(const char *target, char **name, pl_error *err) {
  enum { TRIES = 100 };
  struct stat old;
  bool replaces = stat(target, &old) == 0;
  mode_t mode = replaces ? old.st_mode & 0777 : 0666;
  size_t length = folder_length(target) + base_length(target);
  char *temporary = copy(target, length, SUFFIX_MOST, err);
  if (temporary == NULL) return -1;
  int fd = -1;
  for (int i = 0; fd < 0 && i < TRIES; i++) {
    snprintf(temporary + length, SUFFIX_MOST, ".%lx-%08lx-%lx.tmp", (unsigned long)getpid(), (unsigned long)place(),
             atomic_fetch_add(&next_count, 1));
    fd = SYS.open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0 && errno != EEXIST) break;
  }
  if (fd < 0) pl_error_set(err, PL_ERROR_IO, "cannot create %s: %s", temporary, strerror(errno));
  else if (replaces && keep_owner_and_mode(fd, &old) != 0) {
    pl_error_set(err, PL_ERROR_IO, "cannot give %s the permissions of %s: %s", temporary, target, strerror(errno));
    SYS.close(fd);
    SYS.unlink(temporary);
    fd = -1;
  }
  if (fd < 0) {
    pl_free(temporary);
    return -1;
  }
  *name = temporary;
  return fd;
}

/* Of a dead process of this place; or of this process, when no other of its saves is under way. */
static bool is_stale(const char *suffix) {
  unsigned long pid, where, count;
  int end = 0;
  if (sscanf(suffix, ".%lx-%8lx-%lx.tmp%n", &pid, &where, &count, &end) != 3 || end == 0 || suffix[end] != '\0' ||
      where != place()) return false;
  if (pid == (unsigned long)getpid()) return atomic_load(&saving) == 1;
  return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

void pl_store_remove_stale(const char *target) {
  size_t folder = folder_length(target), base = base_length(target);
  char *path = copy(target, folder, 256, NULL);
  if (path == NULL) return;
  DIR *dir = opendir(folder ? path : ".");
  for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL; ) {
    if (strncmp(e->d_name, target + folder, base) != 0 || !is_stale(e->d_name + base)) continue;
    snprintf(path + folder, 257, "%s", e->d_name);
    SYS.unlink(path);
  }
  if (dir != NULL) closedir(dir);
  pl_free(path);
}
