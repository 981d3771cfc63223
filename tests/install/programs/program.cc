// What somebody writes against an installed ferroc in C++; prints "served" if ferroc served it.
#include <ferroc.h>
#include <ferroc.hpp>

#include <iostream>
#include <memory_resource>
#include <thread>
#include <vector>

int main() {
  ferroc::heap heap;
  ferroc::heap_resource resource(heap);
  std::pmr::vector<int> numbers(100, &resource);
  bool is_served = fe_heap_contains(heap.get(), numbers.data());
  std::thread([&] {
    void *block = fe_malloc(100);
    is_served = is_served && fe_owns(block);
    fe_free(block);
  }).join();
  int *number = static_cast<int *>(fe_new(sizeof(int)));
  is_served = is_served && fe_owns(number);
  fe_free(number);
  std::cout << (is_served ? "served" : "not served") << std::endl;
}
