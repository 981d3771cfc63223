"""Bazel's own provider by another name: a .bzl file cannot define the name of a built-in by itself."""

native_cc_info = CcInfo
