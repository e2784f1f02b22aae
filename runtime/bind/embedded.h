/* The Lua sources in the program: what the generated file (embed.lua) defines and init.c reads. */
#ifndef BIND_EMBEDDED_H
#define BIND_EMBEDDED_H

#include <stddef.h>

struct bind_embedded { const char *name, *source; size_t size; };
extern const struct bind_embedded bind_embedded[];   /* ends with a NULL name */

#endif
