/* Libraries that a program loads with RTLD_DEEPBIND, as PHP does with its extensions: they would
 * find the C library's own malloc and free before ferroc's, and hand blocks of the one to the
 * other. So they are loaded without it; AddressSanitizer refuses them for the same reason. What
 * else such a library has in common with the program it then finds there first, as any other does.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEEPBIND, RTLD_NEXT */
#endif

#include <dlfcn.h>
#include <stdatomic.h>

#include "core/base/base.h"
#include "core/base/settings.h"

typedef void *dlopen_t(const char *path, int mode);

/* A program that is linked statically may not have it. */
extern __typeof__(dlsym) dlsym __attribute__((weak));

static dlopen_t *find_dlopen(void) {
  static _Atomic(dlopen_t *) found;
  dlopen_t *function = atomic_load_explicit(&found, memory_order_relaxed);
  if (function == NULL && dlsym != NULL) {
    *(void **)&function = dlsym(RTLD_NEXT, "dlopen");
    atomic_store_explicit(&found, function, memory_order_relaxed);
  }
  return function;
}

static FE_COLD void say_once(const char *path) {
  static atomic_bool was_said;
  if (fe_setting(FE_SETTING_ON_ERROR) == FE_ON_ERROR_SILENT) return;
  if (atomic_exchange_explicit(&was_said, true, memory_order_relaxed)) return;
  fe_note("dlopen: %s is loaded without RTLD_DEEPBIND, so that it finds ferroc's malloc", path);
}

/* The loader looks where the caller is: whose search path it takes, and what $ORIGIN means. So this
 * must be a jump, also in debug builds. */
#ifdef __clang__
#define FE_JUMP __attribute__((musttail)) return
#define FE_JUMPS
#else
#define FE_JUMP return
#define FE_JUMPS __attribute__((optimize("O2"), no_stack_protector))
#endif

FE_API FE_JUMPS void *dlopen(const char *path, int mode) {
  dlopen_t *function = find_dlopen();
  if (FE_UNLIKELY(function == NULL)) return NULL;
  if (path != NULL && (mode & RTLD_DEEPBIND)) {
    say_once(path);
    mode &= ~RTLD_DEEPBIND;
  }
  FE_JUMP function(path, mode);
}
