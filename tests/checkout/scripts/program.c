#include <ferroc.h>

int main(void) {
  fe_free(fe_malloc(100));
  return 0;
}
