#!/bin/bash
# Runs the litmus tests by herd7:
#
#   run.sh run [NAME...]   for people; where there is no herd7, it is fetched first (see fetch_herd7)
#   run.sh test            for `bazel test`; where there is no herd7, one case is skipped
#
# herd7 is the one that HERD7 names, else the one on the PATH, else the one that was fetched. NAME: see check.py.
set -u

folder=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ferroc/herd7

say() {
  echo "litmus: $*" >&2
}

fail() {
  say "$@"
  exit 1
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

install_debootstrap() {
  command -v apt-get >/dev/null || return 1
  as_root apt-get update -qq >&2 && as_root apt-get install -y -qq --no-install-recommends debootstrap >&2
}

in_sid() {
  as_root chroot "$folder.new" env DEBIAN_FRONTEND=noninteractive "$@" >&2
}

# Puts Debian sid, which has herd7, into a folder of its own; nothing else on the machine changes, but that debootstrap is
# installed if it is missing. The folder takes its name when it is complete.
fetch_herd7() {
  local PATH=$PATH:/usr/sbin:/sbin
  say "herd7 is not there. It comes from Debian sid, into a folder of its own (650 MB, some minutes):"
  say "  $folder"
  say "It stays for the next time; \`rm -r\` as root removes it."
  command -v debootstrap >/dev/null || install_debootstrap || fail "debootstrap is missing (Debian: apt-get install debootstrap)"
  mkdir -p "${folder%/*}" || exit 1
  # What an attempt that was stopped left may still have /proc mounted.
  as_root rm -rf --one-file-system "$folder.new" || fail "$folder.new is in the way"
  say "1 of 3: the base of sid"
  as_root debootstrap --variant=minbase sid "$folder.new" >&2 || fail "debootstrap did not get sid (no network, or no right to?)"
  say "2 of 3: herdtools7"
  # A mirror may be older than its list's date of expiry; what it has is signed all the same.
  in_sid apt-get -qq -o Acquire::Check-Valid-Until=false update || fail "apt-get update did not work in $folder.new"
  in_sid apt-get -qq install -y --no-install-recommends herdtools7 || fail "apt-get could not install herdtools7"
  in_sid apt-get clean
  say "3 of 3: the program that runs it"
  write_starter || fail "$folder.new has no program loader"
  as_root mv "$folder.new" "$folder" || exit 1
}

# A program of sid runs with the libraries of sid, from outside and without any right.
write_starter() {
  local loader
  loader=$(cd "$folder.new" && ls usr/lib*/ld-linux*.so.* usr/lib/*-linux-gnu/ld-linux*.so.* 2>/dev/null | head -n 1)
  [[ -n $loader ]] || return 1
  as_root tee "$folder.new/herd7" >/dev/null <<END
#!/bin/sh
sid='$folder'
exec "\$sid/$loader" --library-path "\$(echo "\$sid"/usr/lib/*-linux-gnu)" "\$sid/usr/bin/herd7" \\
  -set-libdir "\$sid/usr/share/herdtools7/herd" "\$@"
END
  as_root chmod 755 "$folder.new/herd7"
}

find_herd7() {
  if [[ -n ${HERD7-} ]]; then
    command -v "$HERD7" || fail "HERD7 names $HERD7, which is no program"
  elif ! command -v herd7; then
    [[ -x $folder/herd7 ]] && echo "$folder/herd7"
  fi
}

check=tests/litmus/check.py
[[ -e $check ]] || check=$(dirname "$0")/check.py

mode=${1-}
herd7=$(find_herd7) || [[ -z ${HERD7-} ]] || exit 1
case $mode in
  run)
    shift
    if [[ -z $herd7 ]]; then
      fetch_herd7
      herd7=$folder/herd7
    fi
    ;;
  test)
    shift
    if [[ -z $herd7 ]]; then
      echo "ok - the litmus tests hold # SKIP herd7 is missing (./bazelw run //tests/litmus fetches it and runs them)"
      exit 0
    fi
    ;;
  *) fail "usage: run.sh run [NAME...] | run.sh test" ;;
esac
exec python3 "$check" --herd7 "$herd7" "$@"
