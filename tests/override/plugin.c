/* A library that is loaded and unloaded again: it allocates when it comes and frees when it goes,
 * and has variables for each thread, whose memory the dynamic loader allocates. */
#include <stdlib.h>
#include <string.h>

static char *kept;
static __thread char of_thread[5000];

__attribute__((constructor)) static void come(void) { kept = strdup("allocated by a constructor"); }

__attribute__((destructor)) static void go(void) { free(kept); }

/* Frees a block of the caller's. */
__attribute__((visibility("default"))) void plugin_free(void *block) { free(block); }

/* A block for the caller to free. */
__attribute__((visibility("default"))) char *plugin_block(size_t size) {
  char *block = malloc(size);
  of_thread[size % sizeof(of_thread)] = 1;
  return block;
}
