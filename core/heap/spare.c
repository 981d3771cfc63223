/* Empty shards that a heap would go on with: current ones, and the last mixed one.
 *
 * A heap with few blocks of many sizes has a shard for each. When all of them are freed, on the
 * quick ways, these would stay: pages that nobody needs, for each thread that waits. So a current
 * shard tells when it becomes empty, and is given back. Who frees and allocates in turns would pay
 * for that each time; so no class gives back more than FE_GIVEN_UP_MAX shards in a second, and then
 * has one that tells nothing. Builds that check keep empty shards: they know what was freed there.
 */
#include "core/heap/counting.h"
#include "core/heap/heap.h"

#define FE_GIVEN_UP_MAX 2
#define FE_GIVEN_UP_MS 1000

/* Mixed shards are counted behind the classes. */
#define FE_MIXED_INDEX FE_CLASS_COUNT

static bool may_give_up(fe_spares_t *spares, unsigned index) {
  if (spares->given_up[index] < FE_GIVEN_UP_MAX) return true;
  uint32_t now = fe_clock_ms();
  if (now - spares->since_ms < FE_GIVEN_UP_MS) return false;
  memset(spares->given_up, 0, sizeof spares->given_up);
  spares->since_ms = now;
  return true;
}

bool fe_heap_is_eager(fe_heap_t *heap, unsigned class_index) {
  return !FE_IS_TRACKED && may_give_up(&fe_count_more(heap)->spares, class_index);
}

void fe_heap_spare(fe_heap_t *heap, fe_shard_t *shard) {
  fe_count_more(heap)->spares.given_up[shard->class_index]++;
  fe_heap_give_up_shard(heap, shard);
  fe_kept_give_all(heap);
}

bool fe_heap_spares_mixed(fe_heap_t *heap) {
  fe_spares_t *spares = &fe_count_more(heap)->spares;
  if (!may_give_up(spares, FE_MIXED_INDEX)) return false;
  spares->given_up[FE_MIXED_INDEX]++;
  return true;
}
