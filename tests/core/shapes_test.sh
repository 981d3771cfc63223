#!/bin/bash
# The shapes of memory that core/base/config.h allows, and what the compiler says to others: shapes_test.sh CONFIG_H.
set -u
config=$1
failures=0

# compile OPTION...: the compiler's exit status; what it says goes to $TEST_TMPDIR/output.
compile() {
  "${CC:-gcc}" -std=gnu11 -fsyntax-only "$@" -include "$config" -x c /dev/null >"$TEST_TMPDIR/output" 2>&1
}

# result TEXT CONDITION...: prints how the case ended.
result() {
  local text=$1
  shift
  if "$@"; then
    echo "ok - $text"
  else
    echo "not ok - $text; the compiler said:"
    cat "$TEST_TMPDIR/output"
    failures=$((failures + 1))
  fi
}

refuses() {
  local message=$1
  shift
  ! compile "$@" && grep -qF "#error \"$message" "$TEST_TMPDIR/output"
}

shard="FE_SHARD_SHIFT must be 12 (4 KiB) to 18 (256 KiB)"
slab="FE_SLAB_SHIFT must be 3 to 6 above FE_SHARD_SHIFT"
addresses="FE_ADDRESS_BITS must be FE_SLAB_SHIFT + 3 to 48"
granule="FE_GRANULE_SHIFT must be 3 (8 bytes) or 4 (16 bytes)"

if ! command -v "${CC:-gcc}" >/dev/null; then
  echo "not ok - ${CC:-gcc} is there: it is not; install it (Debian: apt-get install gcc)"
  exit 1
fi
result "the default shape is allowed" compile
for shift in 12 13 14 15 16 17 18; do
  for above in 3 4 5 6; do
    result "shards of 2^$shift bytes, $((1 << above)) in a slab, are allowed" \
      compile "-DFE_SHARD_SHIFT=$shift" "-DFE_SLAB_SHIFT=$((shift + above))"
  done
done
for shift in 3 4; do
  result "a granule of 2^$shift bytes is allowed" compile "-DFE_GRANULE_SHIFT=$shift"
done
for shift in -1 0 11 19 64; do
  result "shards of 2^$shift bytes are refused" \
    refuses "$shard" "-DFE_SHARD_SHIFT=$shift" "-DFE_SLAB_SHIFT=$((shift + 6))"
done
for above in -16 -1 0 2 7 20; do
  result "slabs of 2^$above shards are refused" refuses "$slab" "-DFE_SLAB_SHIFT=$((16 + above))"
done
result "shards that do not suit the default slabs are refused" refuses "$slab" -DFE_SHARD_SHIFT=12
for shift in -1 0 2 5 16; do
  result "a granule of 2^$shift bytes is refused" refuses "$granule" "-DFE_GRANULE_SHIFT=$shift"
done
for bits in 25 32 40 47 48; do
  result "addresses of $bits bits are allowed" compile "-DFE_ADDRESS_BITS=$bits"
done
for bits in -1 0 24 49 64; do
  result "addresses of $bits bits are refused" refuses "$addresses" "-DFE_ADDRESS_BITS=$bits"
done
result "addresses of fewer bits than slabs need are refused" \
  refuses "$addresses" -DFE_ADDRESS_BITS=26 -DFE_SHARD_SHIFT=18 -DFE_SLAB_SHIFT=24
exit $((failures > 0))
