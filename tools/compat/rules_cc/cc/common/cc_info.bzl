"""CcInfo under the name that later versions of Bazel load it by."""

load("//cc/common:native.bzl", "native_cc_info")

CcInfo = native_cc_info
