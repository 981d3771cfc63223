/* The 20 forms of operator new and operator delete are ferroc's, and so is what the C++ library
 * allocates by them.
 */
#include <cstddef>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "tests/override/support.h"

namespace {

constexpr std::align_val_t wide{256};

void *checked(void *ptr, size_t alignment = alignof(std::max_align_t)) {
  assert_non_null(ptr);
  assert_true(is_ferrocs(ptr));
  assert_int_equal(reinterpret_cast<uintptr_t>(ptr) % alignment, 0);
  memset(ptr, 0xa5, 1000);
  return ptr;
}

void eight_forms_of_new_and_twelve_of_delete(void **) {
  for (int round = 0; round < 2000; round++) {
    ::operator delete(checked(::operator new(1000)));
    ::operator delete[](checked(::operator new[](1000)));
    ::operator delete(checked(::operator new(1000, std::nothrow)), std::nothrow);
    ::operator delete[](checked(::operator new[](1000, std::nothrow)), std::nothrow);
    ::operator delete(checked(::operator new(1000)), size_t(1000));
    ::operator delete[](checked(::operator new[](1000)), size_t(1000));
    ::operator delete(checked(::operator new(1000, wide), 256), wide);
    ::operator delete[](checked(::operator new[](1000, wide), 256), wide);
    ::operator delete(checked(::operator new(1000, wide, std::nothrow), 256), wide, std::nothrow);
    ::operator delete[](checked(::operator new[](1000, wide, std::nothrow), 256), wide,
                        std::nothrow);
    ::operator delete(checked(::operator new(1000, wide), 256), size_t(1000), wide);
    ::operator delete[](checked(::operator new[](1000, wide), 256), size_t(1000), wide);
  }
}

void null_is_deleted_by_all(void **) {
  void *volatile null = nullptr;
  ::operator delete(null);
  ::operator delete[](null);
  ::operator delete(null, std::nothrow);
  ::operator delete[](null, std::nothrow);
  ::operator delete(null, size_t(0));
  ::operator delete[](null, size_t(0));
  ::operator delete(null, wide);
  ::operator delete[](null, wide);
  ::operator delete(null, wide, std::nothrow);
  ::operator delete[](null, wide, std::nothrow);
  ::operator delete(null, size_t(0), wide);
  ::operator delete[](null, size_t(0), wide);
}

/* In an executable and in the shared C++ library alike. */
void the_librarys_own_allocations_are_ferrocs(void **) {
  std::vector<int> numbers(1000);
  assert_true(is_ferrocs(numbers.data()));
  std::string text(1000, 'x');
  assert_true(is_ferrocs(text.data()));
  std::ostringstream stream;
  for (int i = 0; i < 1000; i++) stream << i;
  std::string written = stream.str();
  assert_true(is_ferrocs(written.data()));
  auto shared = std::make_shared<std::string>("shared");
  assert_true(is_ferrocs(shared.get()));
}

template <typename Call>
bool throws_bad_alloc(Call call) {
  try {
    call();
    return false;
  } catch (const std::bad_alloc &) {
    return true;
  }
}

/* Volatile, so that the compiler neither warns of it nor leaves the pair out. */
volatile size_t impossible = SIZE_MAX / 2 + 1;

void no_memory_throws_or_gives_null(void **) {
  assert_true(throws_bad_alloc([] { ::operator delete(::operator new(impossible)); }));
  assert_true(throws_bad_alloc([] { ::operator delete[](::operator new[](impossible)); }));
  assert_true(throws_bad_alloc([] { ::operator delete(::operator new(impossible, wide), wide); }));
  assert_true(
      throws_bad_alloc([] { ::operator delete[](::operator new[](impossible, wide), wide); }));
  assert_null(::operator new(impossible, std::nothrow));
  assert_null(::operator new[](impossible, std::nothrow));
  assert_null(::operator new(impossible, wide, std::nothrow));
  assert_null(::operator new[](impossible, wide, std::nothrow));
}

int handler_calls;

void give_up_after_three_calls() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

void throw_a_number() { throw 42; }

void the_new_handler_is_called(void **) {
  std::set_new_handler(give_up_after_three_calls);
  assert_true(throws_bad_alloc([] { ::operator delete(::operator new(impossible)); }));
  assert_int_equal(handler_calls, 3);
  std::set_new_handler(throw_a_number);
  assert_null(::operator new(impossible, std::nothrow));
  std::set_new_handler(nullptr);
}

/* An exception that is thrown while memory is there, through frames with objects to destroy. */
void exceptions_work_as_ever(void **) {
  int caught = 0;
  for (int i = 0; i < 1000; i++) {
    try {
      std::vector<std::string> texts(10, std::string(100, 'x'));
      throw std::string(200, 'y');
    } catch (const std::string &text) {
      caught += is_ferrocs(text.data());
    }
  }
  assert_int_equal(caught, 1000);
}

}  // namespace

int main() {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eight_forms_of_new_and_twelve_of_delete),
      cmocka_unit_test(null_is_deleted_by_all),
      cmocka_unit_test(the_librarys_own_allocations_are_ferrocs),
      cmocka_unit_test(no_memory_throws_or_gives_null),
      cmocka_unit_test(the_new_handler_is_called),
      cmocka_unit_test(exceptions_work_as_ever),
  };
  return cmocka_run_group_tests_name("override: operators", tests, nullptr, nullptr);
}
