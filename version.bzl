"""The version: of the libraries, their file names, and what pkg-config and CMake are told."""

VERSION = "0.1.0"

# Goes up when programs that were linked with an older library would not run with this one.
SO_VERSION = "0"
