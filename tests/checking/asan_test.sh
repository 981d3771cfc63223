#!/bin/bash
# What AddressSanitizer reports of ferroc's memory.
set -u
source "$(dirname "$0")/expect.sh"

export ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:detect_leaks=1
ABORTED=134

program=$1
expect_silence clean
expect $ABORTED 'AddressSanitizer: use-after-poison' \
  read_after_free read_after_free_in_heap read_after_resize read_after_realloc read_large_after_free \
  read_after_heap_destroy read_after_free_by_other_thread write_after_free write_link_after_free
expect $ABORTED 'AddressSanitizer: use-after-poison' \
  overrun_by_one overrun_by_one_in_heap overrun_by_one_in_resize overrun_by_one_after_realloc \
  overrun_by_one_aligned overrun_by_one_large overrun_large_far overrun_unit underrun_by_one underrun_unit
expect $ABORTED 'ferroc: (free|size): 0x[0-9a-f]+ was freed already' \
  double_free double_free_in_heap double_free_in_resize double_free_aligned double_free_by_other_thread \
  realloc_after_free size_after_free
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ is no block' \
  double_free_large free_after_heap_destroy free_inside_large free_never_allocated
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ points into the middle of a block' free_inside free_odd
expect $ABORTED "is not a block of ferroc's" free_of_other_allocator
finish
