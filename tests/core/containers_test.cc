/* ferroc.hpp: standard containers on heaps. Whose memory they use, what copies, moves and swaps do
 * to that, and what comes of a limit.
 */
#include "core/ferroc.hpp"

#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/core/support.hpp"

namespace {

template <typename T>
using vector_on_heap = std::vector<T, ferroc::allocator<T>>;

using string_on_heap = std::basic_string<char, std::char_traits<char>, ferroc::allocator<char>>;

size_t used_bytes(const ferroc::heap &heap) { return fe_heap_used_bytes(heap.get()); }

ferroc::heap limited_heap(size_t limit_bytes) {
  fe_heap_options_t options = {};
  options.memory_limit = limit_bytes;
  return ferroc::heap(options);
}

/* -- ferroc::heap -- */

void a_heap_moves_with_its_blocks(void **) {
  static_assert(!std::is_copy_constructible_v<ferroc::heap>);
  static_assert(!std::is_copy_assignable_v<ferroc::heap>);
  ferroc::heap first;
  void *block = fe_heap_alloc(first.get(), 100);
  ferroc::heap second = std::move(first);
  assert_null(first.get());
  assert_true(fe_heap_contains(second.get(), block));
  ferroc::heap third;
  third = std::move(second);
  assert_null(second.get());
  assert_true(fe_heap_contains(third.get(), block));
  ferroc::heap &itself = third;
  third = std::move(itself);
  assert_true(fe_heap_contains(third.get(), block));
  fe_heap_free(third.get(), block);
}

void bad_options_throw(void **) {
  fe_heap_options_t options = {};
  options.granule = 12;
  bool has_thrown = false;
  try {
    ferroc::heap heap(options);
  } catch (const std::invalid_argument &) {
    has_thrown = true;
  }
  assert_true(has_thrown);
}

/* -- ferroc::allocator -- */

struct alignas(256) wide {
  char bytes[256];
};

template <typename T>
void fill_and_empty_a_vector(const ferroc::heap &heap) {
  vector_on_heap<T> values(heap);
  for (int i = 0; i < 1000; i++) {
    values.push_back(T());
    assert_true(aligned_to(&values.back(), alignof(T)));
  }
  assert_true(fe_heap_contains(heap.get(), values.data()));
  assert_true(used_bytes(heap) >= 1000 * sizeof(T));
}

void every_type_gets_its_alignment(void **) {
  for (size_t granule : {8, 16}) {
    fe_heap_options_t options = {};
    options.granule = granule;
    ferroc::heap heap(options);
    fill_and_empty_a_vector<char>(heap);
    fill_and_empty_a_vector<double>(heap);
    fill_and_empty_a_vector<long double>(heap);
    fill_and_empty_a_vector<wide>(heap);
    assert_int_equal(used_bytes(heap), 0);
  }
}

void containers_of_all_kinds_live_on_a_heap(void **) {
  ferroc::heap heap;
  {
    using pair = std::pair<const int, string_on_heap>;
    std::map<int, string_on_heap, std::less<>, ferroc::allocator<pair>> tree(heap);
    std::unordered_map<int, string_on_heap, std::hash<int>, std::equal_to<>,
                       ferroc::allocator<pair>>
        table(heap);
    std::list<int, ferroc::allocator<int>> list(heap);
    for (int i = 0; i < 500; i++) {
      tree.emplace(i, string_on_heap(100, 'a', heap));
      table.emplace(i, string_on_heap(100, 'b', heap));
      list.push_front(i);
    }
    tree.erase(250);
    assert_int_equal(tree.size() + table.size() + list.size(), 1499);
    assert_true(tree.at(499) == string_on_heap(100, 'a', heap));
    assert_true(used_bytes(heap) > 999 * 100);
    auto shared = std::allocate_shared<int>(ferroc::allocator<int>(heap), 7);
    assert_true(fe_heap_contains(heap.get(), shared.get()));
  }
  assert_int_equal(used_bytes(heap), 0);
}

void allocators_are_equal_by_heap(void **) {
  ferroc::heap heap;
  ferroc::heap other;
  ferroc::allocator<int> ints(heap);
  assert_true(ints == ferroc::allocator<char>(ints));
  assert_true(ints == ferroc::allocator<int>(heap.get()));
  assert_true(ints != ferroc::allocator<int>(other));
  using traits = std::allocator_traits<ferroc::allocator<int>>;
  static_assert(!traits::is_always_equal::value);
  static_assert(std::is_same_v<traits::rebind_alloc<char>, ferroc::allocator<char>>);
  static_assert(std::is_nothrow_copy_constructible_v<ferroc::allocator<int>>);
}

void assigning_keeps_a_container_on_its_heap(void **) {
  ferroc::heap heap;
  vector_on_heap<int> kept(heap);
  {
    ferroc::heap shorter_lived;
    vector_on_heap<int> copied(1000, 1, shorter_lived);
    kept = copied;
    assert_true(fe_heap_contains(heap.get(), kept.data()));
    vector_on_heap<int> moved(2000, 2, shorter_lived);
    kept = std::move(moved);
    assert_true(fe_heap_contains(heap.get(), kept.data()));
  }
  assert_int_equal(kept.size(), 2000);
  assert_int_equal(kept.back(), 2);
}

void assigning_within_a_heap_moves_no_elements(void **) {
  ferroc::heap heap;
  vector_on_heap<int> from(1000, 1, heap);
  vector_on_heap<int> to(heap);
  const int *data = from.data();
  to = std::move(from);
  assert_ptr_equal(to.data(), data);
}

void a_swap_trades_heaps(void **) {
  ferroc::heap heap;
  ferroc::heap other;
  vector_on_heap<int> one(1000, 1, heap);
  vector_on_heap<int> two(2000, 2, other);
  const int *data = one.data();
  std::swap(one, two);
  assert_ptr_equal(two.data(), data);
  assert_true(two.get_allocator() == ferroc::allocator<int>(heap));
  assert_true(one.get_allocator() == ferroc::allocator<int>(other));
  one.resize(9000);
  assert_true(used_bytes(other) >= 9000 * sizeof(int));
}

void a_copy_is_on_the_same_heap_or_the_one_it_is_told(void **) {
  ferroc::heap heap;
  ferroc::heap other;
  vector_on_heap<int> original(1000, 1, heap);
  vector_on_heap<int> copy(original);
  assert_true(fe_heap_contains(heap.get(), copy.data()));
  vector_on_heap<int> elsewhere(original, other);
  assert_true(fe_heap_contains(other.get(), elsewhere.data()));
  assert_true(elsewhere == original);
}

/* -- No memory -- */

template <typename Exception, typename Call>
bool throws(Call call) {
  try {
    call();
    return false;
  } catch (const Exception &) {
    return true;
  }
}

void a_limit_throws_and_the_heap_goes_on(void **) {
  ferroc::heap heap = limited_heap(100 * KIB);
  vector_on_heap<char> values(heap);
  assert_true(throws<std::bad_alloc>([&] { values.resize(200 * KIB); }));
  values.resize(50 * KIB, 'x');
  assert_int_equal(values.back(), 'x');
  ferroc::heap_resource resource(heap);
  assert_true(throws<std::bad_alloc>([&] { (void)resource.allocate(60 * KIB); }));
}

void an_array_that_overflows_throws(void **) {
  ferroc::heap heap;
  ferroc::allocator<long long> allocator(heap);
  assert_true(throws<std::bad_array_new_length>([&] { (void)allocator.allocate(SIZE_MAX / 4); }));
  assert_true(throws<std::bad_alloc>([&] { (void)allocator.allocate(SIZE_MAX / 16); }));
}

void a_wrong_alignment_throws(void **) {
  ferroc::heap heap;
  assert_true(throws<std::bad_alloc>([&] { (void)ferroc::allocate(heap.get(), 10, 24); }));
}

fe_heap_t *limited;
int handler_calls;

void lift_the_limit() {
  handler_calls++;
  fe_heap_set_limit(limited, 0);
}

void a_new_handler_can_make_room(void **) {
  ferroc::heap heap = limited_heap(10 * KIB);
  limited = heap.get();
  std::set_new_handler(lift_the_limit);
  vector_on_heap<char> values(20 * KIB, 'x', heap);
  std::set_new_handler(nullptr);
  assert_int_equal(handler_calls, 1);
  assert_int_equal(values.back(), 'x');
}

/* -- ferroc::heap_resource -- */

void pmr_containers_live_on_a_heap(void **) {
  ferroc::heap heap;
  ferroc::heap_resource resource(heap);
  {
    std::pmr::map<int, std::pmr::string> tree(&resource);
    for (int i = 0; i < 300; i++) tree.emplace(i, std::string(100, 'a'));
    assert_true(used_bytes(heap) > 300 * 100);
    std::pmr::vector<wide> wides(10, &resource);
    assert_true(aligned_to(wides.data(), alignof(wide)));
  }
  assert_int_equal(used_bytes(heap), 0);
}

void resources_are_equal_by_heap(void **) {
  ferroc::heap heap;
  ferroc::heap other;
  ferroc::heap_resource resource(heap);
  assert_true(resource == ferroc::heap_resource(heap.get()));
  assert_true(resource != ferroc::heap_resource(other));
  assert_true(resource != *std::pmr::new_delete_resource());
}

}  // namespace

int main() {
  const struct CMUnitTest tests[] = {
      test_that(a_heap_moves_with_its_blocks),
      test_that(bad_options_throw),
      test_that(every_type_gets_its_alignment),
      test_that(containers_of_all_kinds_live_on_a_heap),
      test_that(allocators_are_equal_by_heap),
      test_that(assigning_keeps_a_container_on_its_heap),
      test_that(assigning_within_a_heap_moves_no_elements),
      test_that(a_swap_trades_heaps),
      test_that(a_copy_is_on_the_same_heap_or_the_one_it_is_told),
      test_that(a_limit_throws_and_the_heap_goes_on),
      test_that(an_array_that_overflows_throws),
      test_that(a_wrong_alignment_throws),
      test_that(a_new_handler_can_make_room),
      test_that(pmr_containers_live_on_a_heap),
      test_that(resources_are_equal_by_heap),
  };
  return cmocka_run_group_tests_name("containers", tests, nullptr, nullptr);
}
