/* What somebody writes against an installed ferroc in C; prints "served" if ferroc served it. */
#include <ferroc.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  fe_heap_options_t options = {.memory_limit = 1 << 20};
  fe_heap_t *heap = fe_heap_create(&options);
  char *text = fe_heap_alloc(heap, 100);
  void *other = fe_malloc(100);
  bool is_served = fe_heap_contains(heap, strcpy(text, "served")) && fe_owns(other) &&
                   fe_heap_alloc(heap, 2 << 20) == NULL;
  puts(is_served ? text : "not served");
  fe_free(other);
  fe_heap_destroy(heap);
  return 0;
}
