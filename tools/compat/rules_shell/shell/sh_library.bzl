"""sh_library under the name that later versions of Bazel load it by."""

sh_library = native.sh_library
