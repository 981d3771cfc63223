/* Shows where blocks lie, and that ferroc knows them. */
#include <stdio.h>
#include <string.h>

#include "core/ferroc.h"

int main(void) {
  for (size_t size = 100; size <= (size_t)1 << 30; size *= 32) {
    char *block = fe_malloc(size);
    if (block == NULL) return 1;
    memset(block, 1, size < 4096 ? size : 4096);
    printf("fe_malloc(%zu) gives %p\n", size, (void *)block);
    if (!fe_owns(block) || !fe_owns(block + size - 1)) return 1;
    fe_free(block);
  }
  return 0;
}
