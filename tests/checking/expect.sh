# What the tests of checking builds share. The test sets `program`, and `checker` to the words of a command that runs it,
# if there is one; it ends with `finish`.

failures=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

run() {
  (
    ulimit -c 0
    exec ${checker[@]+"${checker[@]}"} "$program" "$1"
  ) >"$log" 2>&1
}

not_ok() {
  echo "not ok - $1"
  sed 's/^/# /' "$log"
  failures=$((failures + 1))
}

# expect STATUS TEXT MISDEED...: each of the misdeeds ends the program with the status, and the report holds the text (an
# extended regular expression).
expect() {
  local wanted=$1 text=$2 misdeed status
  shift 2
  for misdeed in "$@"; do
    run "$misdeed"
    status=$?
    if ((status == wanted)) && { [[ -z $text ]] || grep -Eq -- "$text" "$log"; }; then
      echo "ok - ${misdeed//_/ }: ${text:-status $wanted}"
    else
      not_ok "${misdeed//_/ }: wanted status $wanted and \"$text\"; the status was $status"
    fi
  done
}

# expect_silence MISDEED...: the program ends well, without a report.
expect_silence() {
  local misdeed
  for misdeed in "$@"; do
    if run "$misdeed" && ! grep -Eq 'ferroc:|ERROR|==' "$log"; then
      echo "ok - ${misdeed//_/ }: nothing is reported"
    else
      not_ok "${misdeed//_/ }: wanted no report"
    fi
  done
}

finish() {
  ((failures == 0))
  exit
}
