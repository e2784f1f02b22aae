/* What the root of every file of a model or a run says of its format; lua/perilune/run/file.lua says what is where. */
#ifndef STORE_RUN_FORMAT_H
#define STORE_RUN_FORMAT_H

#define PL_RUN_FORMAT "perilune-run"
enum { PL_RUN_FORMAT_VERSION = 2 };   /* the newest that is read, and that is written */

#endif
