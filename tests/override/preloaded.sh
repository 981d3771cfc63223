#!/bin/bash
# preloaded.sh LIBRARY PROGRAM: runs the program with the library preloaded.
set -eu
LD_PRELOAD=$PWD/$1 exec "$2"
