"""cc_binary under the name that later versions of Bazel load it by."""

cc_binary = native.cc_binary
