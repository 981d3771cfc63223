"""cc_import under the name that later versions of Bazel load it by."""

cc_import = native.cc_import
