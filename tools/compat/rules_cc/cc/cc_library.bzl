"""cc_library under the name that later versions of Bazel load it by."""

cc_library = native.cc_library
