#!/bin/bash
# Under --config=asan, ubsan or tsan a program must fail by the mistakes that this sanitizer looks for, and must run through
# with the others; without one it must run through with all.
set -u
sanitizer=${FERROC_TEST_SANITIZER:-none}
failures=0

case $sanitizer in
  asan) found="read-past-the-end leak" ;;
  ubsan) found="overflow" ;;
  tsan) found="race" ;;
  none) found="" ;;
  *)
    echo "not ok - FERROC_TEST_SANITIZER is '$sanitizer' (allowed: asan, ubsan, tsan, none)"
    exit 1
    ;;
esac

for mistake in race read-past-the-end leak overflow; do
  expected=passes
  [[ " $found " != *" $mistake "* ]] || expected=fails
  if output=$("$1" "$mistake" 2>&1); then seen=passes; else seen=fails; fi
  if [[ $seen == "$expected" ]]; then
    echo "ok - $sanitizer: a program with this mistake $seen: $mistake"
  else
    echo "not ok - $sanitizer: a program with this mistake $seen, and should not: $mistake"
    echo "$output"
    failures=1
  fi
done
exit $failures
