/* core.line: one line from the terminal, edited with libedit, with history and completion; and Ctrl-C for the REPL.

   Signals: while a line is read, the ones below are blocked except inside pselect, so that none is missed between
   the test of a flag and the wait. libedit's own handling (EL_SIGNAL) stays off: it would send the signal on to
   the whole process group. */
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>
#include "bind/bind.h"

static struct {
  EditLine *edit;
  History *history;
  const char *prompt;   /* of the line being read */
  lua_State *L;         /* has the completion function at index 2 while a line is read */
} line;

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT };
enum { CAUGHT = sizeof caught / sizeof caught[0] };
static volatile sig_atomic_t seen[CAUGHT];

static void note(int number) {
  for (int i = 0; i < CAUGHT; i++) if (caught[i] == number) seen[i] = 1;
}

static bool take(int number) {
  for (int i = 0; i < CAUGHT; i++) {
    if (caught[i] != number || !seen[i]) continue;
    seen[i] = 0;
    return true;
  }
  return false;
}

/* ---- libedit's questions ---- */

static char *give_prompt(EditLine *edit) {
  (void)edit;
  return (char *)line.prompt;
}

/* Waits for a byte; false when the line is to be given up (the flag of the signal is left for line_read). */
static bool wait_for_input(EditLine *edit) {
  fd_set input;
  sigset_t none, blocked;
  sigemptyset(&none);
  for (;;) {
    /* What came while a key was processed is noted now: pselect would not come to it while more keys are waiting. */
    sigprocmask(SIG_SETMASK, &none, &blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    if (seen[0] || seen[1] || seen[2]) return false;
    if (take(SIGWINCH)) el_resize(edit);
    if (take(SIGCONT)) {
      el_set(edit, EL_PREP_TERM, 1);
      el_set(edit, EL_REFRESH);
    }
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    if (pselect(STDIN_FILENO + 1, &input, NULL, NULL, NULL, &none) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

/* One character, from UTF-8 or what the locale says: 1, 0 at the end of input, -1 when the line is given up. */
static int read_character(EditLine *edit, wchar_t *out) {
  mbstate_t state;
  memset(&state, 0, sizeof state);
  for (;;) {
    char byte;
    if (!wait_for_input(edit)) return -1;
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 0) return 0;
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return -1;
    }
    size_t used = mbrtowc(out, &byte, 1, &state);
    if (used == (size_t)-2) continue;
    if (used == (size_t)-1) *out = L'?';
    return 1;
  }
}

/* Tab. The Lua function gets the text before the cursor; it returns how many characters of it to take away, what to
   insert instead, and what to list when nothing is to be inserted. */
static unsigned char complete(EditLine *edit, int key) {
  (void)key;
  lua_State *L = line.L;
  const LineInfo *info = el_line(edit);
  unsigned char result = CC_REFRESH_BEEP;
  int top = lua_gettop(L);
  if (!lua_isfunction(L, 2) || !lua_checkstack(L, 8)) return result;
  lua_pushvalue(L, 2);
  lua_pushlstring(L, info->buffer, (size_t)(info->cursor - info->buffer));
  if (lua_pcall(L, 1, 3, 0) == LUA_OK) {
    int taken = (int)lua_tointeger(L, -3);
    const char *insertion = lua_tostring(L, -2), *listing = lua_tostring(L, -1);
    if (insertion && *insertion) {
      if (taken > 0) el_deletestr(edit, taken);
      if (el_insertstr(edit, insertion) == 0) result = CC_REFRESH;
    } else if (listing) {
      printf("\n%s\n", listing);
      fflush(stdout);
      result = CC_REDISPLAY;
    }
  }
  lua_settop(L, top);
  return result;
}

/* ---- opening ---- */

static void bind_keys(EditLine *edit) {
  static const char *const keys[][2] = {
    { "^I", "perilune-complete" }, { "^R", "em-inc-search-prev" },
    { "\\e[A", "ed-search-prev-history" }, { "\\e[B", "ed-search-next-history" },
    { "\\eOA", "ed-search-prev-history" }, { "\\eOB", "ed-search-next-history" },
    { "\\e[3~", "ed-delete-next-char" },
    { "\\e[1~", "ed-move-to-beg" }, { "\\e[H", "ed-move-to-beg" }, { "\\eOH", "ed-move-to-beg" },
    { "\\e[4~", "ed-move-to-end" }, { "\\e[F", "ed-move-to-end" }, { "\\eOF", "ed-move-to-end" },
    { "\\e[1;5C", "em-next-word" }, { "\\e[1;5D", "ed-prev-word" },
  };
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) el_set(edit, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static void close_line(void) {
  if (line.edit) el_end(line.edit);
  if (line.history) history_end(line.history);
  line.edit = NULL;
  line.history = NULL;
}

static bool open_line(void) {
  if (line.edit) return true;
  /* Only the classes of characters: numbers keep their point whatever the locale. */
  bool known = setlocale(LC_CTYPE, "") != NULL;
  bind_numbers_with_a_point();
  if (!known || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
  bind_numbers_with_a_point();
  HistEvent event;
  line.edit = el_init("perilune", stdin, stdout, stderr);
  line.history = history_init();
  if (!line.edit || !line.history) {
    close_line();
    return false;
  }
  atexit(close_line);
  history(line.history, &event, H_SETSIZE, 1000);
  history(line.history, &event, H_SETUNIQUE, 1);   /* a line entered twice in a row is kept once */
  el_set(line.edit, EL_PROMPT, give_prompt);
  el_set(line.edit, EL_GETCFN, read_character);
  el_set(line.edit, EL_EDITOR, "emacs");
  el_set(line.edit, EL_HIST, history, line.history);
  el_wset(line.edit, EL_ADDFN, L"perilune-complete", L"Complete a name", complete);   /* el_set would leak copies */
  bind_keys(line.edit);
  el_source(line.edit, NULL);                       /* the user's ~/.editrc */
  return true;
}

/* ---- what Lua sees ---- */

/* read(prompt [, complete]) -> the line, nil at the end of input, or false when Ctrl-C gave it up */
static int line_read(lua_State *L) {
  line.prompt = luaL_checkstring(L, 1);
  lua_settop(L, 2);
  if (!open_line()) return luaL_error(L, "the terminal cannot be opened for line editing");
  line.L = L;
  struct sigaction action = { .sa_handler = note }, before[CAUGHT];
  sigset_t block, unblocked;
  sigemptyset(&block);
  for (int i = 0; i < CAUGHT; i++) sigaddset(&block, caught[i]);
  sigprocmask(SIG_BLOCK, &block, &unblocked);
  for (int i = 0; i < CAUGHT; i++) {
    seen[i] = 0;
    sigaction(caught[i], &action, &before[i]);
  }
  int size = 0;
  const char *text = el_gets(line.edit, &size);
  sigprocmask(SIG_SETMASK, &unblocked, NULL);        /* first: a signal that waits is noted, not left to who had it
                                                        before */
  for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &before[i], NULL);
  if (take(SIGTERM)) raise(SIGTERM);                 /* the terminal is restored by now */
  if (take(SIGHUP)) raise(SIGHUP);
  if (take(SIGINT)) {
    el_reset(line.edit);
    fputs("^C\n", stdout);
    lua_pushboolean(L, 0);
  } else if (text && size > 0) {
    lua_pushlstring(L, text, (size_t)size - (text[size - 1] == '\n'));
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* add(text): the newest line of the history */
static int line_add(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  HistEvent event;
  if (open_line()) history(line.history, &event, H_ENTER, text);
  return 0;
}

static lua_State *running;
static pthread_t lua_thread;      /* the thread that runs it */
static volatile sig_atomic_t unheeded;

static void stop(lua_State *L, lua_Debug *activation) {
  (void)activation;
  lua_sethook(L, NULL, 0, 0);
  unheeded = 0;
  lua_pushliteral(L, "interrupted");
  lua_error(L);
}

/* lua_sethook may be called from a signal handler, in the thread that runs Lua; the hook then raises the error at a
   safe place. A coroutine or a C function that does not return to Lua would never come to it, hence the way out. */
static void on_interrupt(int number) {
  if (!pthread_equal(pthread_self(), lua_thread)) {
    pthread_kill(lua_thread, number);
    return;
  }
  static const char hint[] = "\nstill busy; once more ends the session\n";
  lua_sethook(running, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  if (++unheeded < 2) return;
  signal(number, SIG_DFL);
  if (write(STDERR_FILENO, hint, sizeof hint - 1) < 0) return;
}

/* interruptible(on): from now on Ctrl-C raises the error "interrupted" in the running Lua code; or no longer */
static int line_interruptible(lua_State *L) {
  struct sigaction action = { .sa_flags = SA_RESTART };
  sigemptyset(&action.sa_mask);
  action.sa_handler = lua_toboolean(L, 1) ? on_interrupt : SIG_DFL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  running = lua_tothread(L, -1);
  lua_thread = pthread_self();
  unheeded = 0;
  sigaction(SIGINT, &action, NULL);
  lua_sethook(running, NULL, 0, 0);
  return 0;
}

int bind_open_readline(lua_State *L) {
  luaL_newlib(L, ((luaL_Reg[]){
    { "read", line_read }, { "add", line_add }, { "interruptible", line_interruptible }, { NULL, NULL } }));
  return 1;
}
