/* The file that a save writes before it takes the place of the one at `target`. */
#ifndef STORE_TEMPORARY_H
#define STORE_TEMPORARY_H

#include <sys/types.h>
#include "perilune/store.h"

/* The file that saving to `path` replaces: symbolic links are followed, also to a file that is not there yet. To be
   freed.
   NULL: a loop of links, or what is there is no regular file. */
char *pl_store_target(const char *path, pl_error *err);

/* A new, empty file beside `target` under a name that nobody else has; -1 on failure. *name is to be freed. Where
   `target` exists, the new file has its permissions, and its owner where the system allows that. */
int pl_store_temporary(const char *target, char **name, pl_error *err);

/* Removes what saves to `target` left behind when their processes died. */
void pl_store_remove_stale(const char *target);

/* Counts the saves of this process that are between these two calls. */
void pl_store_save_begins(void);
void pl_store_save_ends(void);

#endif
