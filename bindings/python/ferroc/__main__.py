"""python3 -m ferroc: runs a program with ferroc installed. All of it is in ferroc.command_line."""

import sys

from ferroc.command_line import main

main(sys.argv[1:])
