/* See new_failed.h. Everything of the C++ library that is used here is a weak reference: it is
 * bound in programs that have that library anyway, and no C program gets it through ferroc. A C
 * program with ferroc preloaded may load C++ code later on; the library is then looked for by its
 * names. */
#include "core/cxx/new_failed.h"

#include <dlfcn.h>

__asm__(
    ".weak _ZSt15get_new_handlerv\n"
    ".weak _ZSt17__throw_bad_allocv\n"
    ".weak __gxx_personality_v0\n"
    ".weak __cxa_begin_catch\n"
    ".weak __cxa_end_catch\n"
    ".weak _Unwind_Resume\n");

extern "C" {

typedef void (*new_handler_t)();

/* std::get_new_handler and std::__throw_bad_alloc; libstdc++ and libc++ have both. */
__attribute__((weak)) new_handler_t get_new_handler() __asm__("_ZSt15get_new_handlerv");
__attribute__((weak)) void throw_bad_alloc() __asm__("_ZSt17__throw_bad_allocv");

/* Not there in a program without a dynamic linker, which has no need of them. */
__attribute__((weak)) void *dlopen(const char *name, int flags) noexcept;
__attribute__((weak)) void *dlsym(void *library, const char *name) noexcept;

}  // extern "C"

/* A function of a C++ library that was loaded after this one was bound; NULL: there is none. */
static void *find_loaded_later(const char *function) {
  static const char *const names[] = {"libstdc++.so.6", "libc++.so.1"};
  if (&dlopen == nullptr || &dlsym == nullptr) return nullptr;
  for (const char *name : names) {
    void *library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    void *found = library == nullptr ? nullptr : dlsym(library, function);
    if (found != nullptr) return found;
  }
  return nullptr;
}

static new_handler_t current_handler() {
  auto getter = &get_new_handler;
  if (getter == nullptr) {
    getter = reinterpret_cast<new_handler_t (*)()>(find_loaded_later("_ZSt15get_new_handlerv"));
  }
  return getter == nullptr ? nullptr : getter();
}

bool fe_new_failed(bool may_try_again) {
  new_handler_t handler = may_try_again ? current_handler() : nullptr;
  if (handler != nullptr) {
    handler();
    return true;
  }
  auto thrower = &throw_bad_alloc;
  if (thrower == nullptr) {
    thrower = reinterpret_cast<void (*)()>(find_loaded_later("_ZSt17__throw_bad_allocv"));
  }
  if (thrower != nullptr) thrower();
  return false;
}

/* What the handler throws can only be caught here with a library that was there from the start.
 * With a later one the handler is not called, which costs a second try and nothing else. */
bool fe_new_failed_nothrow() {
  new_handler_t handler = &get_new_handler == nullptr ? nullptr : get_new_handler();
  if (handler == nullptr) return false;
  try {
    handler();
    return true;
  } catch (...) {
    return false;
  }
}
