"""sh_binary under the name that later versions of Bazel load it by."""

sh_binary = native.sh_binary
