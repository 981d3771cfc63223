/* The same in C++, for programs that are not: says by numbers what its operator new did. */
#include <cstdint>
#include <new>
#include <string>

namespace {

volatile std::size_t impossible = SIZE_MAX / 2 + 1;

int handler_calls;

void count_and_give_up() {
  handler_calls++;
  std::set_new_handler(nullptr);
}

}  // namespace

/* A block for plugin_cxx_delete. */
extern "C" __attribute__((visibility("default"))) void *plugin_cxx_new() {
  return new std::string(1000, 'x');
}

extern "C" __attribute__((visibility("default"))) void plugin_cxx_delete(void *text) {
  delete static_cast<std::string *>(text);
}

/* 1: a new that got no memory threw std::bad_alloc, after a call of the new-handler. */
extern "C" __attribute__((visibility("default"))) int plugin_cxx_throws() {
  handler_calls = 0;
  std::set_new_handler(count_and_give_up);
  try {
    ::operator delete(::operator new(impossible));
  } catch (const std::bad_alloc &) {
    return handler_calls;
  }
  return -1;
}

/* 1: a nothrow new that got no memory gave NULL. */
extern "C" __attribute__((visibility("default"))) int plugin_cxx_gives_null() {
  return ::operator new(impossible, std::nothrow) == nullptr;
}
