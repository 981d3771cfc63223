#!/bin/bash
# Formats the C and C++ files of the workspace: format.sh --fix; or says which are not: format.sh --check. With --check VERSION
# a clang-format of another version, which may have another opinion, says nothing.
# Works on the source tree itself, so that a file counts from the moment it is written.
set -eu

fail() {
  echo "format: $*" >&2
  exit 2
}

mode=${1-}
[[ $mode == --fix || $mode == --check ]] || fail "unknown option '$mode' (allowed: --fix, --check)"

# As a test, this runs in a folder of links; the file behind one of them is in the source tree.
workspace=${FERROC_TEST_WORKSPACE:-${BUILD_WORKSPACE_DIRECTORY:-$(dirname "$(readlink -f WORKSPACE)")}}
cd "$workspace"

clang_format=${CLANG_FORMAT:-clang-format}
command -v "$clang_format" >/dev/null ||
  fail "$clang_format was not found. Install it (Debian: apt-get install clang-format)" \
    "or set CLANG_FORMAT to its path"

mapfile -d '' files < <(
  find . -name '.?*' -prune -o -name 'bazel-*' -prune -o \
    -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.hpp' \) -print0 | sort -z
)
((${#files[@]} > 0)) || fail "no C or C++ file was found under $workspace"

if [[ $mode == --fix ]]; then
  exec "$clang_format" -i --style=file "${files[@]}"
fi

version=$("$clang_format" --version)
if (($# > 1)) && [[ $version != *" version $2."* ]]; then
  echo "ok - C and C++ files are formatted # SKIP they are formatted by clang-format $2, this is $version"
  exit 0
fi
if complaints=$("$clang_format" --dry-run -Werror --style=file "${files[@]}" 2>&1); then
  echo "ok - ${#files[@]} C and C++ files are formatted"
  exit 0
fi
# A complaint starts with FILE:LINE:COLUMN: and says less than the difference does.
sed -n 's/^\(.*\):[0-9]*:[0-9]*: .*/\1/p' <<<"$complaints" | sort -u | while read -r file; do
  "$clang_format" --style=file "$file" | diff -u "$file" - || true
  echo "not ok - $file is not formatted"
done
echo "Format them by: ./bazelw run //tools:format"
exit 1
