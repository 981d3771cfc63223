/* Example: C++ containers whose memory has an owner, a limit, and an end. */
#include "core/ferroc.hpp"

#include <memory_resource>
#include <string>
#include <vector>

#include "tests/core/support.hpp"

namespace {

/* All that a request needs lies on one heap. The scope ends, the heap ends: in one step, whatever
 * was allocated from it. */
void a_heap_for_a_request(void **) {
  ferroc::heap request;
  ferroc::heap_resource memory(request);

  std::pmr::vector<std::pmr::string> words(&memory);
  for (int i = 0; i < 1000; i++) {
    words.emplace_back("a word that is too long to lie inside of its string");
  }

  assert_int_equal(words.size(), 1000); /* the strings lie on the heap, too: pmr hands it on */
  assert_true(fe_heap_used_bytes(request.get()) > 50 * 1000);
}

/* With an allocator of their own type, containers need no virtual call. */
void a_vector_on_a_heap(void **) {
  ferroc::heap heap;
  std::vector<int, ferroc::allocator<int>> squares(heap);
  for (int i = 0; i < 100; i++) squares.push_back(i * i);
  assert_true(fe_heap_contains(heap.get(), squares.data()));
}

/* A heap with a limit: who asks for more gets std::bad_alloc, and can go on. */
void a_limit(void **) {
  fe_heap_options_t options = {};
  options.memory_limit = 1 << 20;
  ferroc::heap plugin(options);
  ferroc::heap_resource memory(plugin);

  std::pmr::vector<char> buffer(&memory);
  bool has_thrown = false;
  try {
    buffer.resize(2 << 20);
  } catch (const std::bad_alloc &) {
    has_thrown = true;
  }
  assert_true(has_thrown);
  buffer.resize(1 << 18);
}

}  // namespace

int main() {
  const struct CMUnitTest tests[] = {
      test_that(a_heap_for_a_request),
      test_that(a_vector_on_a_heap),
      test_that(a_limit),
  };
  return cmocka_run_group_tests_name("example_containers", tests, nullptr, nullptr);
}
