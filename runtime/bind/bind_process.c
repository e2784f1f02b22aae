/* core.process: other programs, started by posix_spawn (never by fork alone: the threads of OpenMP would not outlive
   it).
   A child is the leader of a process group of its own, so that Ctrl-C in the terminal reaches only the parent, which
   passes it on. Its input is empty; its output goes to a file, or where the parent's does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bind/bind.h"

extern char **environ;

static int fail(lua_State *L, const char *what, int code) {
  lua_pushnil(L);
  lua_pushfstring(L, "cannot %s: %s", what, strerror(code));
  return 2;
}

/* spawn({ program, argument, ... } [, output]) -> process id; or nil, message. The program is looked for in PATH. */
static int process_spawn(lua_State *L) {
  lua_settop(L, 2);
  size_t n;
  const char **words = bind_check_strings(L, 1, &n);
  luaL_argcheck(L, n >= 1 && n < 10000, 1, "a program and its arguments are expected");
  const char *output = luaL_optstring(L, 2, NULL);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = 0;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return fail(L, "start a process", code);
  code = posix_spawnattr_init(&attributes);
  if (code != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return fail(L, "start a process", code);
  }
  code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (code == 0 && output != NULL) {
    code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  }
  if (code == 0) code = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  if (code == 0) code = posix_spawnattr_setpgroup(&attributes, 0);
  if (code == 0) code = posix_spawnp(&pid, words[0], &actions, &attributes, (char *const *)words, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (code != 0) return fail(L, lua_pushfstring(L, "start %s", words[0]), code);
  lua_pushinteger(L, pid);
  return 1;
}

/* Ids from 2 that fit: kill would take 0, -1 and what is cut to them for groups, or for every process there is. */
static pid_t check_id(lua_State *L) {
  lua_Integer id = luaL_checkinteger(L, 1);
  luaL_argcheck(L, id > 1 && id <= INT_MAX, 1, "the id of a process is expected");
  return (pid_t)id;
}

/* wait(pid [, block]) -> nil while it runs; else its exit status, or nil and the number of the signal that ended it.
   Without `block` it only looks. A process that is no child (any more) counts as ended by signal 0. */
static int process_wait(lua_State *L) {
  pid_t pid = check_id(L), found;
  int status = 0;
  do found = waitpid(pid, &status, lua_toboolean(L, 2) ? 0 : WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found == 0) return 0;
  if (found > 0 && WIFEXITED(status)) {
    lua_pushinteger(L, WEXITSTATUS(status));
    return 1;
  }
  lua_pushnil(L);
  lua_pushinteger(L, found > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  return 2;
}

/* kill(pid, "INT" | "TERM" | "KILL") -> true; or nil, message. Only a child that was not waited for: an id may be
   another's by now. */
static int process_kill(lua_State *L) {
  static const char *const names[] = { "INT", "TERM", "KILL", NULL };
  static const int numbers[] = { SIGINT, SIGTERM, SIGKILL };
  pid_t pid = check_id(L);
  int signal_number = numbers[luaL_checkoption(L, 2, NULL, names)];
  siginfo_t info;
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return fail(L, "signal the process", errno);
  if (kill(pid, signal_number) != 0) return fail(L, "signal the process", errno);
  lua_pushboolean(L, 1);
  return 1;
}

/* id() -> this process, its parent */
static int process_id(lua_State *L) {
  lua_pushinteger(L, getpid());
  lua_pushinteger(L, getppid());
  return 2;
}

/* sleep(seconds): less if a signal comes */
static int process_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 1, "seconds from 0 to 3600 are expected");
  struct timespec t = { .tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
  nanosleep(&t, NULL);
  return 0;
}

int bind_open_process(lua_State *L);

int bind_open_process(lua_State *L) {
  luaL_newlib(L, ((luaL_Reg[]){ { "spawn", process_spawn }, { "wait", process_wait }, { "kill", process_kill },
                                { "id", process_id },
    { "sleep", process_sleep }, { NULL, NULL } }));
  return 1;
}
