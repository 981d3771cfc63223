#!/bin/bash
# What memcheck reports of ferroc's memory.
set -u
source "$(dirname "$0")/expect.sh"

if ! command -v valgrind >/dev/null; then
  echo "not ok - valgrind was not found; install the package valgrind (./bazelw does)"
  exit 1
fi

FOUND=9
checker=(valgrind --quiet --leak-check=full --error-exitcode=$FOUND)

program=$1
expect_silence clean
expect $FOUND "bytes inside a block of size [0-9,]+ free'd" \
  read_after_free read_after_free_in_heap read_after_resize read_after_realloc read_large_after_free \
  read_after_heap_destroy read_after_free_by_other_thread write_after_free write_link_after_free
expect $FOUND "is 0 bytes after a block of size 41 alloc'd" overrun_by_one
expect $FOUND "is 0 bytes after a block of size 48 alloc'd" overrun_by_one_in_heap
expect $FOUND "is 0 bytes after a block of size 24 alloc'd" overrun_by_one_in_resize
expect $FOUND "is 0 bytes after a block of size 90 alloc'd" overrun_by_one_after_realloc
expect $FOUND "is 0 bytes after a block of size 300 alloc'd" overrun_by_one_aligned
expect $FOUND "is 0 bytes after a block of size 1,048,581 alloc'd" overrun_by_one_large
expect $FOUND "is 0 bytes after a block of size [0-9,]+ alloc'd" overrun_large_far overrun_unit
expect $FOUND "is 1 bytes before a block of size [0-9,]+ alloc'd" underrun_by_one underrun_unit
expect $FOUND 'Invalid free\(\)' \
  double_free double_free_in_heap double_free_in_resize double_free_aligned double_free_large \
  double_free_by_other_thread free_after_heap_destroy free_inside free_inside_large free_odd \
  free_never_allocated realloc_after_free size_after_free
expect $FOUND 'Mismatched free\(\)' free_of_other_allocator
expect $FOUND 'depends on uninitialised value' branch_on_unwritten branch_on_unwritten_after_reuse
expect $FOUND '40 bytes in 1 blocks are definitely lost' leak leak_in_heap
expect $FOUND '1,048,576 bytes in 1 blocks are definitely lost' leak_large

# Memcheck puts its own malloc in the place of any other, unless it is told not to.
checker+=(--soname-synonyms=somalloc=nouserintercepts)
program=$2
expect_silence clean
expect $FOUND "bytes inside a block of size 40 free'd" \
  read_after_free double_free double_free_in_region
expect $FOUND "is 0 bytes after a block of size 41 alloc'd" overrun_by_one
expect $FOUND "is 0 bytes after a block of size 5 alloc'd" overrun_by_one_in_string
expect $FOUND 'depends on uninitialised value' branch_on_unwritten
expect $FOUND '40 bytes in 1 blocks are definitely lost' leak
finish
