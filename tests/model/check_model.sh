#!/bin/bash
# check_model.sh MODEL.pml CASES: checks a Promela model exhaustively with spin, once for each line of CASES:
#
#   verdict | options for the model (-D...) | what the case shows
#
# verdict: `holds` and `progresses` must find no error in the whole state space (`progresses`: no cycle in which nobody
# gets on); `fails` and `sticks` must find one, which shows that the model would notice such a mistake.
# Prints `ok N - name` or `not ok N - name` for each case; exit status 1 if one is not ok.

set -u

for tool in spin "${CC:-gcc}"; do
  if ! command -v "$tool" > /dev/null; then
    echo "not ok 1 - $tool is there: it is not; install it (Debian: apt-get install spin gcc)"
    exit 1
  fi
done
if [[ $# -ne 2 || ! -r $1 || ! -r $2 ]]; then
  echo "not ok 1 - usage: $0 MODEL.pml CASES"
  exit 1
fi

model=$(realpath "$1")
cases=$(realpath "$2")
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/model.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# The largest depth and memory that any case needs, with room to spare. Beyond it the search is not complete, and fails.
depth=4000000
memory_mib=6000

# search VERDICT OPTION...: writes spin's report to ./report.
search() {
  local verdict=$1
  shift
  # -O0: what spin writes is a few functions of thousands of lines, which cost a compiler minutes.
  local compile=(-O0 -DSAFETY) run=()
  case $verdict in
    progresses | sticks)
      compile=(-O0 -DNP)
      run=(-l)
      ;;
  esac
  rm -f pan* report
  {
    spin -a "$@" "$model" &&
      "${CC:-gcc}" -w "${compile[@]}" -DCOLLAPSE -DMEMLIM="$memory_mib" -o pan pan.c &&
      ./pan -m"$depth" "${run[@]}"
  } > report 2>&1
}

# Whether ./report is what the verdict asks for.
agrees() {
  case $1 in
    holds | progresses)
      grep -q "errors: 0" report && ! grep -Eq "not completed|depth too small|out of memory|Error" report
      ;;
    # With spin's prefix: its summary names what was looked for, found or not.
    fails) grep -Eq "^pan:[0-9]+: (assertion violated|invalid end state)" report ;;
    sticks) grep -Eq "^pan:[0-9]+: non-progress cycle" report ;;
    *)
      echo "unknown verdict \"$1\"; allowed: holds, progresses, fails, sticks" > report
      false
      ;;
  esac
}

number=0
status=0
while IFS='|' read -r verdict options name; do
  read -r verdict <<< "$verdict"
  read -r name <<< "$name"
  [[ -z $verdict || $verdict == \#* ]] && continue
  number=$((number + 1))
  # The options are words.
  # shellcheck disable=SC2086
  search "$verdict" $options
  if agrees "$verdict"; then
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report)
    echo "ok $number - $name: $verdict ($states states)"
  else
    echo "not ok $number - $name: expected that it $verdict; options:$options"
    sed 's/^/    /' report | head -n 40
    [[ -e $(basename "$model").trail ]] && spin -k "$(basename "$model").trail" -t -p -g $options "$model" 2>&1 | tail -n 60 | sed 's/^/    /'
    status=1
  fi
done < "$cases"
if [[ $number -eq 0 ]]; then
  echo "not ok 1 - $cases names cases: there is none"
  exit 1
fi
exit $status
