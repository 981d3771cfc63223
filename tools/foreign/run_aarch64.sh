#!/bin/bash
# Runs a test on AArch64: run_aarch64.sh TEST ARGUMENT... A program runs in qemu-user; a script runs as it is, and the
# program under test is run by what FERROC_TEST_EMULATOR says.
export FERROC_TEST_EMULATOR="qemu-aarch64 -L /usr/aarch64-linux-gnu"
[[ $(head -c 4 "$1") == $'\x7fELF' ]] || exec "$@"
exec $FERROC_TEST_EMULATOR "$@"
