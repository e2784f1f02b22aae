/* Every system call by which a save changes the disk goes through this table, so that tests can make the k-th call
   fail, write short, be recorded, or be the last one that the process makes. */
#ifndef STORE_SYSCALLS_H
#define STORE_SYSCALLS_H

#include <sys/types.h>

typedef struct pl_syscalls {
  int (*open)(const char *path, int flags, mode_t mode);
  ssize_t (*write)(int fd, const void *data, size_t size);
  int (*ftruncate)(int fd, off_t size);
  int (*fsync)(int fd);                                /* of files and of folders */
  int (*fchmod)(int fd, mode_t mode);
  int (*fchown)(int fd, uid_t user, gid_t group);
  int (*close)(int fd);
  int (*rename)(const char *from, const char *to);
  int (*unlink)(const char *path);
  int (*mkdir)(const char *path, mode_t mode);
} pl_syscalls;

extern pl_syscalls pl_store_syscalls;

#endif
