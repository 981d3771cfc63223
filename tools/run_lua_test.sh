#!/bin/bash
# Runs one LuaUnit test: run_lua_test.sh [OPTIONS of test_arguments.sh] LUA LUAUNIT TEST
set -eu
. tools/test_arguments.sh

lua=$(absolute "$1")
luaunit=$(absolute "$2")
export LUA_PATH="${luaunit%/*}/?.lua;$PWD/?.lua;;"
exec ${FERROC_TEST_EMULATOR-} "$lua" "$(absolute "$3")" --verbose --output text
