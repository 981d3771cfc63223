// What somebody writes against an installed ferroc in C++; prints "served" if ferroc served it.
#include <ferroc.h>

#include <iostream>
#include <memory>
#include <thread>

int main() {
  std::unique_ptr<fe_heap_t, decltype(&fe_heap_destroy)> heap(fe_heap_create(nullptr),
                                                              fe_heap_destroy);
  bool is_served = fe_heap_contains(heap.get(), fe_heap_alloc(heap.get(), 100));
  std::thread([&] {
    void *block = fe_malloc(100);
    is_served = is_served && fe_owns(block);
    fe_free(block);
  }).join();
  std::cout << (is_served ? "served" : "not served") << std::endl;
}
