#!/bin/bash
# Tests bazelw with stand-ins for dpkg-query, apt-get, apt-cache, sudo and Bazel: what it would install, and what it says.
set -u
bazelw=$PWD/bazelw
bin=$TEST_TMPDIR/bin
failures=0
as_user=() # runs a command as somebody who is not root
unset PYTHON LUA_DIR LUAUNIT CMOCKA_DIR BAZELW_NO_INSTALL

# stand_in NAME: a program in $bin, made of the script on standard input.
stand_in() {
  { echo '#!/bin/bash'; cat; } >"$bin/$1"
  chmod +x "$bin/$1"
}

# A machine that lacks nothing but what a test takes away.
new_machine() {
  local program
  rm -rf "$bin"
  mkdir -p "$bin"
  for program in bash cat env sed; do
    ln -s "$(command -v $program)" "$bin/$program"
  done
  for program in gcc g++ clang clang-format valgrind spin; do
    stand_in $program </dev/null
  done
  stand_in sudo <<<'[[ $1 != -n ]] || shift; echo "sudo: $*"; exec "$@"'
  stand_in apt-get <<<'echo "apt-get: $*"'
  stand_in bazel <<<'echo "bazel: $*"'
  stand_in dpkg-query <<'END'
for package in "$@"; do
  [[ $package == -* || " $ABSENT " == *" $package "* ]] || echo "installed $package"
done
END
  # A Debian of this version has no $UNKNOWN.
  stand_in apt-cache <<'END'
[[ $1 != policy ]] || echo "500 main amd64 Packages"
for package in "${@:2}"; do
  [[ " ${UNKNOWN-} " == *" $package "* ]] || echo "Package: $package"
done
END
}

command=(test //x)

# check TEXT STATUS VARIABLE=VALUE...: bazelw with the command must end with this status on this machine.
check() {
  local text=$1 expected=$2 status=0
  shift 2
  "${as_user[@]}" env -i PATH="$bin" ABSENT= "$@" "$bazelw" "${command[@]}" >"$TEST_TMPDIR/output" 2>&1 </dev/null || status=$?
  if ((status == expected)); then
    echo "ok - $text"
  else
    echo "not ok - $text: exit status $status, expected $expected, and this output:"
    cat "$TEST_TMPDIR/output"
    failures=$((failures + 1))
  fi
}

# check_output TEXT [!] WORDS: the run before must have said this, or with ! not have.
check_output() {
  local text=$1 expected=0 status=0
  shift
  if [[ $1 == '!' ]]; then
    expected=1
    shift
  fi
  grep -qF -- "$1" "$TEST_TMPDIR/output" || status=1
  if ((status == expected)); then
    echo "ok - $text"
  else
    echo "not ok - $text ('$1'), with this output:"
    cat "$TEST_TMPDIR/output"
    failures=$((failures + 1))
  fi
}

new_machine
check "a complete machine starts Bazel" 0
check_output "Bazel gets the arguments" "bazel: test //x"
check_output "nothing is installed on a complete machine" '!' "apt-get"

check "missing packages are installed" 0 ABSENT="lua-unit libcmocka-dev"
check_output "these and no others are installed" "--no-install-recommends lua-unit libcmocka-dev -qq"
check_output "it says what it installs" "bazelw: installing what is missing: lua-unit libcmocka-dev"
check_output "then Bazel starts" "bazel: test //x"

stand_in apt-get <<'END'
echo "apt-get: $*"
[[ $* != *--assume-no* ]] || printf '%s\n' "Need to get 5 MB of archives." "After this operation, 9 MB of additional disk space will be used."
END
check "the size is asked for" 0 ABSENT="lua-unit"
check_output "it says what is fetched" "bazelw: Need to get 5 MB"
check_output "it says what that takes" "bazelw: After this operation, 9 MB"

# Everything but Bazel and gcc is absent: what does a command install?
everything="spin qemu-system-arm lua-unit libcmocka-dev python3-pytest clang redis-tools default-jdk-headless pkg-config \
liblua5.4-dev libreadline8 python3-dev python3-matplotlib libjemalloc2 libclang-rt-dev valgrind gcc-aarch64-linux-gnu clang-format"

# installs TEXT PACKAGES WORD...: bazelw with these words must install these packages and no others of $everything.
installs() {
  local text=$1 packages=$2 package
  shift 2
  new_machine
  rm "$bin"/{clang,clang-format,valgrind,spin}
  command=("$@")
  check "$text: Bazel starts" 0 ABSENT="$everything libreadline8t64"
  for package in $everything; do
    if [[ " $packages " == *" $package "* ]]; then
      check_output "$text: $package is installed" " $package "
    else
      check_output "$text: $package is not installed" '!' " $package "
    fi
  done
  command=(test //x)
}

lua="pkg-config liblua5.4-dev libreadline8"
installs "tests" "$everything" test //tests/core:heap_test
installs "all targets" "$everything" build -c opt //...
installs "a target that nobody knows" "$everything" run //tests/fuzz -- -runs=5
installs "the installer" "" run //:install -- --prefix //tests/x
installs "the library" "" build --config=release -k -c opt //:ferroc //core:ferroc
installs "Lua" "$lua" run -c opt //bindings/lua:ferroc-lua -- test.lua ...
installs "Python" "python3-dev" --output_base=/x build --config release //bindings/python:package
installs "the bench" "$lua python3-dev libjemalloc2" run //bench -- --quick
installs "the bench that counts instructions" "$lua python3-dev libjemalloc2 valgrind" run //bench -- --instructions
installs "the bench's map" "$lua python3-dev libjemalloc2 valgrind" run //bench -- --map
installs "the bench's misses" "$lua python3-dev libjemalloc2 valgrind" run //bench -- --cache --quick
installs "the bench's page" "$lua python3-dev libjemalloc2 python3-matplotlib" run //bench -- --html page.html
installs "the bench's shared words" "$lua python3-dev libjemalloc2 valgrind" run //bench -- --shared
installs "the library for valgrind" "valgrind" build --config=valgrind //:ferroc
installs "bare metal" "gcc-aarch64-linux-gnu" build //core:bare_metal_arm
installs "several" "clang-format python3-dev" build //tools:format //bindings/python:ferroc-python
installs "a command without targets" "" shutdown
new_machine

command=(run //tools/foreign:debian -- trixie ls)
check "another Debian is made by debootstrap" 0 ABSENT="debootstrap lua-unit"
check_output "which is all that is installed" "--no-install-recommends debootstrap -qq"
command=(test //x)

check "a package has another name in another Debian" 0 ABSENT="libreadline8 libreadline8t64" UNKNOWN=libreadline8
check_output "that is installed" "installing what is missing: libreadline8t64"
check "one of its names is enough" 0 ABSENT="libreadline8"
check_output "nothing is installed then" '!' "apt-get"

check "what this Debian does not have is left out" 0 ABSENT="lua-unit spin libcmocka-dev" UNKNOWN="lua-unit libcmocka-dev"
check_output "it says what is left out" "does not have: lua-unit libcmocka-dev. What needs them"
check_output "nothing else is installed" '!' "apt-get"
check_output "then Bazel starts" "bazel: test //x"
check "the others are installed" 0 ABSENT="libcmocka-dev lua-unit" UNKNOWN="lua-unit"
check_output "and only these" "--no-install-recommends libcmocka-dev -qq"
check_output "it says what is left out then" "does not have: lua-unit."

stand_in apt-cache </dev/null
check "before apt has lists all is taken for known" 0 ABSENT="lua-unit libreadline8 libreadline8t64"
check_output "by its first name" "installing what is missing: libreadline8 lua-unit"
new_machine

check "a library chosen by a variable is not installed" 0 ABSENT="lua-unit liblua5.4-dev libcmocka-dev" \
  LUA_DIR=/opt/lua LUAUNIT=/opt/luaunit.lua CMOCKA_DIR=/opt/cmocka
check_output "no package takes its place" '!' "apt-get"

check "another Python than Debian's needs no package" 0 ABSENT="python3-dev python3-pytest" PYTHON="$bin/bash"
check_output "no package is installed for it" '!' "apt-get"

check "a machine told to install nothing starts Bazel" 0 ABSENT="lua-unit" BAZELW_NO_INSTALL=1
check_output "and installs nothing" '!' "apt-get"

stand_in apt-get <<<'[[ $1 != update ]]'
check "an apt-get without network ends it" 1 ABSENT="lua-unit"
check_output "the message says what is missing" "Missing are: lua-unit"
check_output "Bazel does not start" '!' "bazel: test"

stand_in apt-get <<<'[[ $1 == update ]]'
check "an apt-get that cannot install ends it" 1 ABSENT="lua-unit"
check_output "the message says what to try" "apt-get install -y --no-install-recommends lua-unit"

rm "$bin/apt-get"
check "a machine without apt-get ends it" 1 ABSENT="lua-unit"
check_output "the message names the package" "there is no apt-get to install them: lua-unit"

new_machine
((EUID != 0)) || as_user=(unshare --user --map-user=1000)
if "${as_user[@]}" true; then
  check "without being root it asks sudo" 0 ABSENT="lua-unit"
  check_output "which runs apt-get" "sudo: apt-get update"
  rm "$bin/sudo"
  check "without root and sudo it ends" 1 ABSENT="lua-unit"
  check_output "the message says who can install" "Install them as root"
else
  echo "ok - the use of sudo # SKIP root cannot play another user here"
fi
as_user=()

new_machine
rm "$bin/bazel" "$bin/dpkg-query"
check "a machine that is no Debian and has no Bazel ends it" 1
check_output "the message says what to install" "or bazelisk"
stand_in bazelisk <<<'echo "bazelisk: $*"'
check "bazelisk serves as well" 0
check_output "it gets the arguments" "bazelisk: test //x"

exit $((failures > 0))
