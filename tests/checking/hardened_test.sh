#!/bin/bash
# What a hardened build stops.
set -u
source "$(dirname "$0")/expect.sh"

ABORTED=134
SEGMENTATION_FAULT=139

program=$1
expect_silence clean
expect $ABORTED 'ferroc: the link in the free block at 0x[0-9a-f]+ was overwritten' write_link_after_free
expect $ABORTED 'ferroc: the block at 0x[0-9a-f]+ was written to after it was freed' write_after_free
expect $ABORTED 'ferroc: (free|size): 0x[0-9a-f]+ is a block whose end was overwritten' \
  overrun_by_one overrun_by_one_in_heap overrun_by_one_in_resize overrun_by_one_after_realloc \
  overrun_by_one_aligned overrun_by_one_large
expect $ABORTED 'ferroc: (free|size): 0x[0-9a-f]+ was freed already' \
  double_free double_free_in_heap double_free_in_resize double_free_aligned double_free_by_other_thread \
  realloc_after_free size_after_free
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ is no block' \
  double_free_large free_after_heap_destroy free_inside_large free_never_allocated
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ points into the middle of a block' free_inside free_odd
expect $ABORTED "is not a block of ferroc's" free_of_other_allocator
# A guard page says nothing, but stops.
expect $SEGMENTATION_FAULT '' overrun_large_far overrun_unit underrun_unit

program=$2
expect_silence clean
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ is a block whose end was overwritten' overrun_by_one overrun_by_one_in_string
expect $ABORTED 'ferroc: free: 0x[0-9a-f]+ was freed already' double_free double_free_in_region
finish
