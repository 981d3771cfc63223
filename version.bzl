"""What the files of the shared library are named by. The version itself is in core/ferroc.h."""

# Goes up when programs that were linked with an older library would not run with this one.
SO_VERSION = "0"
