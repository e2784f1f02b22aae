/* core.screen: a full-screen terminal, through ncursesw, which is loaded by name when a screen is first opened.

     local s <close> = screen.open()      nil and a message where there is no terminal or no library
     s:size() -> rows, columns   s:colours() -> n   s:erase()   s:refresh()
     s:put(row, column, text [, bold, dim, reverse, colour])
     s:key(milliseconds) -> "q", "up", "resize", "hangup", ... or nil

   Rows and columns count from 0. The screen is a window of our own, made anew when the terminal changes its size:
   newwin(0, 0, 0, 0) is as large as the terminal is. newterm, unlike initscr, returns when it cannot begin. */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <dlfcn.h>
#include <locale.h>
#include <poll.h>
#include <unistd.h>
#include "bind/bind.h"
#include <term.h>

#define NAME "perilune.screen"
#define FUNCTIONS(F) \
  F(newterm) F(delscreen) F(newwin) F(delwin) F(endwin) F(werase) F(wrefresh) F(wmove) F(waddnstr) F(wattr_on) \
  F(wattr_off) F(wget_wch) F(wtimeout) F(keypad) F(raw) F(noecho) F(curs_set) F(start_color) F(use_default_colors) \
  F(init_pair) F(tigetnum) F(getmaxy) F(getmaxx) F(set_escdelay) F(clearok)
/* Some are macros beside functions: only their names are used here. */
#undef getmaxy
#undef getmaxx
#undef wattr_on
#undef wattr_off

static struct {
#define MEMBER(f) __typeof__(f) *f;
  FUNCTIONS(MEMBER)
} curses;

enum { MOST_PAIRS = 62 };

static struct {
  SCREEN *screen;
  WINDOW *window;
  void *owner;                          /* the userdata that closes it */
  int colours;
  int pairs, colour_of[MOST_PAIRS];     /* pair i + 1 has colour_of[i] */
} screen;

static const char *load(void) {
  static const char *const names[] = { "libncursesw.so.6", "libncursesw.so.5", "libncursesw.so", "libncursesw.6.dylib",
                                       "libncurses.dylib", NULL };
  static const struct { const char *name; void **at; } functions[] = {
#define FUNCTION(f) { #f, (void **)&curses.f },
    FUNCTIONS(FUNCTION)
  };
  static bool loaded;
  if (loaded) return NULL;
  void *library = NULL;
  for (int i = 0; library == NULL && names[i]; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return "a full screen needs ncursesw, and it is not installed (Debian: libncursesw6, Fedora: ncurses-libs, "
           "Arch, Homebrew: ncurses)";
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    *functions[i].at = dlsym(library, functions[i].name);
    if (*functions[i].at == NULL)
      return "the installed ncursesw lacks functions that a full screen needs; install a newer one";
  }
  loaded = true;
  return NULL;
}

static int refuse(lua_State *L, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  return 2;
}

static void close_screen(void) {
  if (screen.screen == NULL) return;
  curses.delwin(screen.window);
  curses.endwin();
  curses.delscreen(screen.screen);
  screen.screen = NULL;
  screen.owner = NULL;
}

static int screen_open(lua_State *L) {
  const char *problem = load();
  if (problem) return refuse(L, problem);
  if (screen.screen) return refuse(L, "a screen is open already");
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return refuse(L, "a full screen needs a terminal");
  setlocale(LC_CTYPE, "");
  bind_numbers_with_a_point();
  void *owner = lua_newuserdatauv(L, 1, 0);
  luaL_setmetatable(L, NAME);
  screen.screen = curses.newterm(NULL, stdout, stdin);
  if (screen.screen == NULL)
    return refuse(L, "this terminal cannot be used as a full screen (see the environment variable TERM)");
  screen.window = curses.newwin(0, 0, 0, 0);
  if (screen.window == NULL) {
    curses.endwin();
    curses.delscreen(screen.screen);
    screen.screen = NULL;
    return refuse(L, "there is no memory for a full screen");
  }
  screen.owner = owner;
  curses.raw();
  curses.noecho();
  curses.set_escdelay(25);
  curses.curs_set(0);
  curses.keypad(screen.window, TRUE);
  screen.colours = 0;
  screen.pairs = 0;
  if (curses.tigetnum("colors") >= 8 && curses.start_color() == OK && curses.use_default_colors() == OK)
    screen.colours = curses.tigetnum("colors");
  return 1;
}

static void check(lua_State *L) {
  void *self = luaL_checkudata(L, 1, NAME);
  if (screen.screen == NULL || screen.owner != self) luaL_error(L, "the screen is closed");
}

static int screen_size(lua_State *L) {
  check(L);
  lua_pushinteger(L, curses.getmaxy(screen.window));
  lua_pushinteger(L, curses.getmaxx(screen.window));
  return 2;
}

static int screen_colours(lua_State *L) {
  check(L);
  lua_pushinteger(L, screen.colours);
  return 1;
}

static int screen_erase(lua_State *L) {
  check(L);
  curses.werase(screen.window);
  return 0;
}

static int screen_refresh(lua_State *L) {
  check(L);
  curses.wrefresh(screen.window);
  return 0;
}

static int pair_of(int colour) {
  if (colour < 0 || colour >= screen.colours) return 0;
  for (int i = 0; i < screen.pairs; i++) if (screen.colour_of[i] == colour) return i + 1;
  if (screen.pairs == MOST_PAIRS || curses.init_pair((short)(screen.pairs + 1), (short)colour, -1) != OK) return 0;
  screen.colour_of[screen.pairs++] = colour;
  return screen.pairs;
}

static int screen_put(lua_State *L) {
  check(L);
  lua_Integer row = luaL_checkinteger(L, 2), column = luaL_checkinteger(L, 3);
  size_t length;
  const char *text = luaL_checklstring(L, 4, &length);
  int pair = pair_of((int)luaL_optinteger(L, 8, -1));
  attr_t attributes = (lua_toboolean(L, 5) ? A_BOLD : 0) | (lua_toboolean(L, 6) ? A_DIM : 0) | (lua_toboolean(L, 7)
      ? A_REVERSE : 0) |
    (attr_t)COLOR_PAIR(pair);
  if (row < 0 || column < 0 || row >= curses.getmaxy(screen.window) || column >= curses.getmaxx(screen.window))
    return 0;
  curses.wmove(screen.window, (int)row, (int)column);
  curses.wattr_on(screen.window, attributes, NULL);
  curses.waddnstr(screen.window, text, -1);
  curses.wattr_off(screen.window, attributes, NULL);
  return 0;
}

static const char *name_of(wint_t key) {
  switch (key) {
    case KEY_UP: return "up";
    case KEY_DOWN: return "down";
    case KEY_LEFT: return "left";
    case KEY_RIGHT: return "right";
    case KEY_HOME: return "home";
    case KEY_END: return "end";
    case KEY_NPAGE: return "pagedown";
    case KEY_PPAGE: return "pageup";
    case KEY_BTAB: return "backtab";
    case KEY_BACKSPACE: return "backspace";
    case KEY_ENTER: return "enter";
    case KEY_RESIZE: return "resize";
    default: return "other";
  }
}

static const char *control_name(wint_t key) {
  switch (key) {
    case 3: return "interrupt";
    case 8: case 127: return "backspace";
    case 9: return "tab";
    case 10: case 13: return "enter";
    case 27: return "escape";
    default: return "other";
  }
}

static bool hung_up(void) {
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static int screen_key(lua_State *L) {
  check(L);
  wint_t key = 0;
  curses.wtimeout(screen.window, (int)luaL_optinteger(L, 2, 0));
  int kind = curses.wget_wch(screen.window, &key);
  if (kind == ERR) {
    if (!hung_up()) return 0;
    lua_pushstring(L, "hangup");
  } else if (kind == KEY_CODE_YES) {
    if (key == KEY_RESIZE) {
      WINDOW *window = curses.newwin(0, 0, 0, 0);
      if (window) {
        curses.delwin(screen.window);
        screen.window = window;
        curses.keypad(window, TRUE);
        curses.clearok(window, TRUE);
      }
    }
    lua_pushstring(L, name_of(key));
  } else if (key < 32 || key == 127) {
    lua_pushstring(L, control_name(key));
  } else {
    lua_pushfstring(L, "%U", (long)key);
  }
  return 1;
}

static int screen_close(lua_State *L) {
  if (luaL_checkudata(L, 1, NAME) == screen.owner) close_screen();
  return 0;
}

int bind_open_screen(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "size", screen_size }, { "colours", screen_colours }, { "erase", screen_erase }, { "refresh", screen_refresh },
    { "put", screen_put },
    { "key", screen_key }, { "close", screen_close }, { "__gc", screen_close }, { "__close", screen_close },
    { NULL, NULL },
  };
  static const luaL_Reg functions[] = { { "open", screen_open }, { NULL, NULL } };
  luaL_newmetatable(L, NAME);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
