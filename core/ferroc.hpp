/* Ferroc for C++17, header only: heaps that end with their scope, containers on a heap.
 *
 *   ferroc::heap           holds a heap, and destroys it at the end of its scope
 *   ferroc::heap_resource  a std::pmr::memory_resource on a heap
 *   ferroc::allocator<T>   a standard allocator on a heap
 *
 * All of them allocate as operator new does: when there is no memory, or the heap's limit is
 * reached, the new-handler is called as long as there is one, then std::bad_alloc is thrown.
 *
 * A heap is used by one thread at a time, and so are the containers on it, taken together. What
 * lies on a heap must not be used after the heap's end; a container that is simply never destroyed
 * costs nothing, since its memory goes with the heap.
 */
#ifndef FERROC_HPP
#define FERROC_HPP

#if __cplusplus < 201703L
#error "ferroc.hpp needs C++17: -std=c++17 or later"
#endif

#include <cerrno>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "ferroc.h"

namespace ferroc {

/* A block of this heap. alignment: a power of two, else std::bad_alloc is thrown at once. */
inline void *allocate(fe_heap_t *heap, std::size_t size,
                      std::size_t alignment = alignof(std::max_align_t)) {
  for (;;) {
    if (void *block = fe_heap_aligned_alloc(heap, alignment, size)) return block;
    std::new_handler handler = errno == EINVAL ? nullptr : std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

/* Owns a heap. Moving hands the heap on, and what was allocated from it stays where it is; the one
 * that was moved from holds none, and can only be assigned to or destroyed. */
class heap {
 public:
  /* Throws std::invalid_argument for bad options (a line on stderr says what is allowed), and
   * std::bad_alloc when there is no memory. */
  explicit heap(const fe_heap_options_t &options = {}) : heap_(fe_heap_create(&options)) {
    if (heap_ != nullptr) return;
    if (errno == EINVAL) throw std::invalid_argument("ferroc::heap: a bad option");
    throw std::bad_alloc();
  }

  heap(heap &&other) noexcept : heap_(std::exchange(other.heap_, nullptr)) {}

  heap &operator=(heap &&other) noexcept {
    fe_heap_destroy(std::exchange(heap_, std::exchange(other.heap_, nullptr)));
    return *this;
  }

  ~heap() { fe_heap_destroy(heap_); }

  /* For the functions of ferroc.h. */
  fe_heap_t *get() const noexcept { return heap_; }

 private:
  fe_heap_t *heap_;
};

/* For std::pmr containers. It refers to the heap and does not own it. */
class heap_resource : public std::pmr::memory_resource {
 public:
  explicit heap_resource(fe_heap_t *heap) noexcept : heap_(heap) {}
  explicit heap_resource(const heap &heap) noexcept : heap_(heap.get()) {}

  fe_heap_t *get() const noexcept { return heap_; }

 private:
  void *do_allocate(std::size_t size, std::size_t alignment) override {
    return ferroc::allocate(heap_, size, alignment);
  }

  void do_deallocate(void *block, std::size_t, std::size_t) override { fe_heap_free(heap_, block); }

  bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
    const auto *same_kind = dynamic_cast<const heap_resource *>(&other);
    return same_kind != nullptr && same_kind->heap_ == heap_;
  }

  fe_heap_t *heap_;
};

/* For containers with an allocator of their own type. It refers to the heap and does not own it,
 * and two are equal when they refer to the same heap.
 *
 * A container stays on its heap for life: assigning to it, by copy or by move, never changes where
 * its memory comes from, since the other heap might end first. Between two heaps a move therefore
 * moves each element. A swap is the one exception: both sides trade their heaps along with their
 * contents, for else swapping containers of two heaps would be undefined. A container that is
 * constructed as a copy of another is on the other's heap unless it is told one of its own. */
template <typename T>
class allocator {
 public:
  using value_type = T;
  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::false_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  allocator(fe_heap_t *heap) noexcept : heap_(heap) {}
  allocator(const heap &heap) noexcept : heap_(heap.get()) {}
  template <typename U>
  allocator(const allocator<U> &other) noexcept : heap_(other.get()) {}

  [[nodiscard]] T *allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    return static_cast<T *>(ferroc::allocate(heap_, count * sizeof(T), alignof(T)));
  }

  void deallocate(T *block, std::size_t) noexcept { fe_heap_free(heap_, block); }

  fe_heap_t *get() const noexcept { return heap_; }

 private:
  fe_heap_t *heap_;
};

template <typename T, typename U>
bool operator==(const allocator<T> &left, const allocator<U> &right) noexcept {
  return left.get() == right.get();
}

template <typename T, typename U>
bool operator!=(const allocator<T> &left, const allocator<U> &right) noexcept {
  return left.get() != right.get();
}

}  // namespace ferroc

#endif /* FERROC_HPP */
