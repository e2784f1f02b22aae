#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include "perilune/store.h"
#include "store/hdf5.h"
#include "store/lzf.h"

#ifndef PL_HDF5_LIBRARY   /* the name under which the linker would have recorded it; the Makefile asks */
#define PL_HDF5_LIBRARY "libhdf5.so"
#endif

struct pl_hdf5 hdf5;

#define TEXT(x) #x
#define NAME(x) TEXT(x)   /* after the header has mapped H5Lget_info to the version it stands for */

pl_status pl_hdf5_load(pl_error *err) {
  static const struct { const char *name; void **at; } functions[] = {
#define FUNCTION(f) { NAME(f), (void **)&hdf5.f },
    HDF5_FUNCTIONS(FUNCTION)
  };
  static const struct { const char *name; hid_t *at; } ids[] = {
#define ID(id) { NAME(id), &hdf5.id },
    HDF5_IDS(ID)
  };
  static bool loaded;
  if (loaded) return PL_OK;
  void *library = dlopen(PL_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return pl_error_set(err, PL_ERROR_IO, "files need the HDF5 library, and it cannot be loaded: %s; install it "
                        "(Debian: libhdf5-dev)", dlerror());
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    *functions[i].at = dlsym(library, functions[i].name);
    if (*functions[i].at == NULL)
      return pl_error_set(err, PL_ERROR_IO, "%s has no %s; install the HDF5 that Perilune was built with (%d.%d)",
                          PL_HDF5_LIBRARY, functions[i].name, H5_VERS_MAJOR, H5_VERS_MINOR);
  }
  /* Before anything else, which would start it: no file waits for the library's end, and that crashes where closing one
     has run out of memory. */
  hdf5.H5dont_atexit();
  unsigned major = 0, minor = 0, release = 0;
  hdf5.H5get_libversion(&major, &minor, &release);
  if (major != H5_VERS_MAJOR || minor != H5_VERS_MINOR) {
    return pl_error_set(err, PL_ERROR_IO, "%s is version %u.%u, and Perilune was built with %d.%d: build it again",
                        PL_HDF5_LIBRARY,
                        major, minor, H5_VERS_MAJOR, H5_VERS_MINOR);
  }
  if (hdf5.H5open() < 0) return pl_error_set(err, PL_ERROR_IO, "the HDF5 library does not start");
  hdf5.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    const hid_t *id = dlsym(library, ids[i].name);
    if (id == NULL) return pl_error_set(err, PL_ERROR_IO, "%s has no %s", PL_HDF5_LIBRARY, ids[i].name);
    *ids[i].at = *id;
  }
  if (hdf5.H5Zregister(&pl_lzf_filter) < 0) return pl_error_set(err, PL_ERROR_IO, "the HDF5 library takes no filter");
  loaded = true;
  return PL_OK;
}

pl_status pl_store_library(char text[40], pl_error *err) {
  unsigned major, minor, release;
  if (pl_hdf5_load(err)) return err ? err->status : PL_ERROR_IO;
  hdf5.H5get_libversion(&major, &minor, &release);
  snprintf(text, 40, "%u.%u.%u", major, minor, release);
  return PL_OK;
}

/* The stack is walked from the failing function outwards: the first entry says what really happened. */
static herr_t innermost(unsigned n, const H5E_error2_t *entry, void *text) {
  (void)n;
  snprintf(text, 160, "%s (%s)", entry->desc ? entry->desc : "no description",
           entry->func_name ? entry->func_name : "?");
  return 1;
}

pl_status pl_hdf5_error(pl_error *err, pl_status status, const char *format, ...) {
  char reason[160] = "no reason given", what[300];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  hdf5.H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
  hdf5.H5Eclear2(H5E_DEFAULT);
  return pl_error_set(err, status, "%s: HDF5 says: %s", what, reason);
}
