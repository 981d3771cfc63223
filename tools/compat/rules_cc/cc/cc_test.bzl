"""cc_test under the name that later versions of Bazel load it by."""

cc_test = native.cc_test
