/* fe_new and its family in a C++ program: std::bad_alloc after the new-handler loop, NULL from the
 * nothrow forms, whatever the handler does.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include <exception>
#include <initializer_list>
#include <new>

#include "tests/core/support.hpp"

namespace {

constexpr size_t impossible = SIZE_MAX / 2 + 1;

/* What a call came to. */
enum class outcome { block, null, bad_alloc, something_else };

template <typename Call>
outcome outcome_of(Call call) {
  try {
    void *block = call();
    fe_free(block);
    return block == nullptr ? outcome::null : outcome::block;
  } catch (const std::bad_alloc &) {
    return outcome::bad_alloc;
  } catch (...) {
    return outcome::something_else;
  }
}

int handler_calls;

void give_up_after_three_calls() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

void throw_bad_alloc() {
  handler_calls++;
  throw std::bad_alloc();
}

void throw_a_number() {
  handler_calls++;
  throw 42;
}

/* Each test starts without a handler, and leaves none. */
int without_handler(void **state) {
  std::set_new_handler(nullptr);
  handler_calls = 0;
  return remember_used_bytes(state);
}

int without_handler_after(void **state) {
  std::set_new_handler(nullptr);
  return check_used_bytes(state);
}

#define new_test_that(function) \
  cmocka_unit_test_setup_teardown(function, without_handler, without_handler_after)

void every_size_gives_a_block(void **) {
  for (size_t size = 0; size < 6 * MIB; size = size * 2 + 1) {
    for (void *block : {fe_new(size), fe_new_nothrow(size)}) {
      assert_non_null(block);
      assert_true(aligned_to(block, GRANULE));
      memset(block, 1, size);
      fe_free_sized(block, size);
    }
    for (size_t alignment = 1; alignment <= 65536; alignment *= 4) {
      for (void *block :
           {fe_new_aligned(size, alignment), fe_new_aligned_nothrow(size, alignment)}) {
        assert_non_null(block);
        assert_true(aligned_to(block, alignment));
        memset(block, 1, size);
        fe_free_aligned_sized(block, alignment, size);
      }
    }
  }
}

void zero_bytes_are_distinct_blocks(void **) {
  void *one = fe_new(0);
  void *other = fe_new(0);
  assert_ptr_not_equal(one, other);
  fe_free(one);
  fe_free(other);
}

void without_a_handler_it_throws_or_returns_null(void **) {
  assert_true(outcome_of([] { return fe_new(impossible); }) == outcome::bad_alloc);
  assert_true(outcome_of([] { return fe_new_aligned(impossible, 64); }) == outcome::bad_alloc);
  assert_true(outcome_of([] { return fe_new_nothrow(impossible); }) == outcome::null);
  assert_true(outcome_of([] { return fe_new_aligned_nothrow(impossible, 64); }) == outcome::null);
}

template <typename Call>
void assert_handler_is_called_three_times(Call call, outcome expected) {
  handler_calls = 0;
  std::set_new_handler(give_up_after_three_calls);
  assert_true(outcome_of(call) == expected);
  assert_int_equal(handler_calls, 3);
}

void the_handler_is_called_until_there_is_none(void **) {
  assert_handler_is_called_three_times([] { return fe_new(impossible); }, outcome::bad_alloc);
  assert_handler_is_called_three_times([] { return fe_new_aligned(impossible, 64); },
                                       outcome::bad_alloc);
  assert_handler_is_called_three_times([] { return fe_new_nothrow(impossible); }, outcome::null);
  assert_handler_is_called_three_times([] { return fe_new_aligned_nothrow(impossible, 64); },
                                       outcome::null);
}

void what_the_handler_throws_comes_out(void **) {
  std::set_new_handler(throw_bad_alloc);
  assert_true(outcome_of([] { return fe_new(impossible); }) == outcome::bad_alloc);
  std::set_new_handler(throw_a_number);
  assert_true(outcome_of([] { return fe_new(impossible); }) == outcome::something_else);
  assert_true(outcome_of([] { return fe_new_aligned(impossible, 64); }) == outcome::something_else);
  assert_int_equal(handler_calls, 3);
}

void the_nothrow_forms_keep_what_the_handler_throws(void **) {
  std::set_new_handler(throw_bad_alloc);
  assert_true(outcome_of([] { return fe_new_nothrow(impossible); }) == outcome::null);
  std::set_new_handler(throw_a_number);
  assert_true(outcome_of([] { return fe_new_nothrow(impossible); }) == outcome::null);
  assert_true(outcome_of([] { return fe_new_aligned_nothrow(impossible, 64); }) == outcome::null);
  assert_int_equal(handler_calls, 3);
  assert_int_equal(std::uncaught_exceptions(), 0);
}

void no_handler_can_help_a_wrong_alignment(void **) {
  std::set_new_handler(give_up_after_three_calls);
  for (size_t alignment : {size_t(0), size_t(3), size_t(24), SIZE_MAX}) {
    assert_true(outcome_of([=] { return fe_new_aligned(10, alignment); }) == outcome::bad_alloc);
    assert_true(outcome_of([=] { return fe_new_aligned_nothrow(10, alignment); }) == outcome::null);
  }
  assert_int_equal(handler_calls, 0);
}

/* Address space that the handler gives up for the sake of the block. */
constexpr size_t reserve_bytes = 1024 * MIB;
void *reserve;

void give_up_the_reserve() {
  handler_calls++;
  require(munmap(reserve, reserve_bytes) == 0);
}

void allocate_with_the_reserve(void *) {
  void *first = fe_new(100); /* the heap is there before memory becomes short */
  reserve =
      mmap(nullptr, reserve_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(reserve != MAP_FAILED);
  struct rlimit limit = {mapped_bytes() + 64 * MIB, RLIM_INFINITY};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  std::set_new_handler(give_up_the_reserve);
  void *block = fe_new(400 * MIB);
  require(block != nullptr && handler_calls == 1);
  fe_free(block);
  fe_free(first);
}

void a_handler_that_makes_room_gets_its_block(void **) {
  assert_child_succeeds(allocate_with_the_reserve, nullptr);
}

}  // namespace

int main() {
  const struct CMUnitTest tests[] = {
      new_test_that(every_size_gives_a_block),
      new_test_that(zero_bytes_are_distinct_blocks),
      new_test_that(without_a_handler_it_throws_or_returns_null),
      new_test_that(the_handler_is_called_until_there_is_none),
      new_test_that(what_the_handler_throws_comes_out),
      new_test_that(the_nothrow_forms_keep_what_the_handler_throws),
      new_test_that(no_handler_can_help_a_wrong_alignment),
      new_test_that(a_handler_that_makes_room_gets_its_block),
  };
  return cmocka_run_group_tests_name("new", tests, nullptr, nullptr);
}
