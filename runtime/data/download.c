/* Fetching a file over HTTP with libcurl, which is loaded by name when the first file is fetched: a run that fetches
   nothing neither needs it nor waits for it.

   What was fetched before a failure stays in the file and is resumed by the next attempt. Nothing waits for ever: the
   connection, a stalled transfer, the number of redirections and the length of the file have limits. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <curl/curl.h>
#include "perilune/data.h"

typedef struct curl_api {
  CURLcode (*global_init)(long flags);
  CURL *(*init)(void);
  CURLcode (*setopt)(CURL *handle, CURLoption option, ...);
  CURLcode (*perform)(CURL *handle);
  CURLcode (*getinfo)(CURL *handle, CURLINFO info, ...);
  void (*cleanup)(CURL *handle);
  const char *(*text)(CURLcode code);
} curl_api;

static pl_status load_curl(const curl_api **out, pl_error *err) {
  static const char *const files[] = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so", "libcurl.4.dylib",
                                       "libcurl.dylib", NULL };
  static curl_api api;
  static bool ready;
  *out = &api;
  if (ready) return PL_OK;
  void *library = NULL;
  for (int i = 0; library == NULL && files[i]; i++) library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return pl_error_set(err, PL_ERROR_IO, "fetching needs libcurl, which is not installed here (Debian: apt "
                                          "install libcurl4); or put the files in place by hand");
  const struct { const char *name; void *slot; } symbols[] = {
    { "curl_global_init", &api.global_init }, { "curl_easy_init", &api.init }, { "curl_easy_setopt", &api.setopt },
    { "curl_easy_perform", &api.perform }, { "curl_easy_getinfo", &api.getinfo }, { "curl_easy_cleanup", &api.cleanup },
    { "curl_easy_strerror", &api.text },
  };
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    void *symbol = dlsym(library, symbols[i].name);
    if (symbol == NULL) return pl_error_set(err, PL_ERROR_IO, "this libcurl has no %s", symbols[i].name);
    memcpy(symbols[i].slot, &symbol, sizeof symbol);   /* ISO C has no cast from object to function pointer */
  }
  if (api.global_init(CURL_GLOBAL_DEFAULT)) return pl_error_set(err, PL_ERROR_IO, "libcurl does not start");
  ready = true;
  return PL_OK;
}

typedef struct transfer {
  FILE *file;
  int64_t start;          /* bytes of the file that were there before */
  int64_t got;
  bool full;              /* PL_DOWNLOAD_MOST was reached */
  bool stopped;
  int write_error;
  pl_progress_fn progress;
  void *arg;
} transfer;

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg) {
  transfer *t = arg;
  t->got += (int64_t)(size * n);
  if (t->start + t->got > PL_DOWNLOAD_MOST) {
    t->full = true;
    return 0;
  }
  if (fwrite(bytes, size, n, t->file) == n) return size * n;
  t->write_error = errno;
  return 0;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now) {
  transfer *t = arg;
  (void)up_total;
  (void)up_now;
  t->stopped = t->progress != NULL && !t->progress(t->arg, t->start + now, total > 0 ? t->start + total : 0);
  return t->stopped;
}

static void set_up(const curl_api *c, CURL *handle, const char *url, transfer *t, char *text) {
  c->setopt(handle, CURLOPT_URL, url);
  c->setopt(handle, CURLOPT_ERRORBUFFER, text);
  c->setopt(handle, CURLOPT_USERAGENT, "perilune/" PL_VERSION);
  c->setopt(handle, CURLOPT_NOSIGNAL, 1L);
  c->setopt(handle, CURLOPT_FAILONERROR, 1L);
  c->setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  c->setopt(handle, CURLOPT_MAXREDIRS, 8L);
#if LIBCURL_VERSION_NUM >= 0x075500
  c->setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  c->setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
  c->setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  c->setopt(handle, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  c->setopt(handle, CURLOPT_CONNECTTIMEOUT, 20L);
  c->setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 500L);   /* bytes a second, for so many seconds */
  c->setopt(handle, CURLOPT_LOW_SPEED_TIME, 30L);
  c->setopt(handle, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->start);
  c->setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
  c->setopt(handle, CURLOPT_WRITEDATA, t);
  c->setopt(handle, CURLOPT_NOPROGRESS, 0L);
  c->setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  c->setopt(handle, CURLOPT_XFERINFODATA, t);
}

static pl_status explain(const curl_api *c, CURLcode code, long http, const char *url, const char *path,
                         const transfer *t, const char *text, pl_error *err) {
  if (code == CURLE_OK) return PL_OK;
  if (t->write_error) return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", path, strerror(t->write_error));
  if (t->full)
    return pl_error_set(err, PL_ERROR_IO, "%s sends more than %lld bytes; stopped", url, (long long)PL_DOWNLOAD_MOST);
  if (t->stopped) return pl_error_set(err, PL_ERROR_IO, "stopped; what was fetched of %s is kept", url);
  if (code == CURLE_HTTP_RETURNED_ERROR) return pl_error_set(err, PL_ERROR_IO, "%s: the server answers %ld", url, http);
  return pl_error_set(err, PL_ERROR_IO, "%s: %s", url, text[0] ? text : c->text(code));
}

/* One attempt; *cannot_resume: the server sends whole files only. */
static pl_status attempt(const curl_api *c, const char *url, const char *path, bool resume, bool *cannot_resume,
                         pl_progress_fn progress, void *arg, pl_error *err) {
  char text[CURL_ERROR_SIZE] = "";
  transfer t = { .progress = progress, .arg = arg };
  if ((t.file = fopen(path, resume ? "ab" : "wb")) == NULL)
    return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", path, strerror(errno));
  struct stat info;
  if (resume && fstat(fileno(t.file), &info) == 0) t.start = info.st_size;
  CURL *handle = c->init();
  if (handle == NULL) {
    fclose(t.file);
    return pl_error_set(err, PL_ERROR_MEMORY, "libcurl does not start");
  }
  set_up(c, handle, url, &t, text);
  CURLcode code = c->perform(handle);
  long http = 0;
  c->getinfo(handle, CURLINFO_RESPONSE_CODE, &http);
  *cannot_resume = t.start > 0 && (code == CURLE_RANGE_ERROR || http == 416);
  pl_status status = explain(c, code, http, url, path, &t, text, err);
  c->cleanup(handle);
  bool written = fflush(t.file) == 0 && fsync(fileno(t.file)) == 0;
  int reason = errno;
  if (fclose(t.file) != 0 && written) {
    written = false;
    reason = errno;
  }
  if (status == PL_OK && !written) return pl_error_set(err, PL_ERROR_IO, "cannot write %s: %s", path, strerror(reason));
  return status;
}

pl_status pl_download(const char *url, const char *path, pl_progress_fn progress, void *arg, pl_error *err) {
  const curl_api *c;
  bool cannot_resume = false;
  pl_status status = load_curl(&c, err);
  if (status) return status;
  status = attempt(c, url, path, true, &cannot_resume, progress, arg, err);
  if (status && cannot_resume) status = attempt(c, url, path, false, &cannot_resume, progress, arg, err);
  return status;
}
