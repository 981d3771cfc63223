"""A library's headers without the library, for programs that take its functions from a shared one."""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _headers_only_impl(ctx):
    return [CcInfo(compilation_context = ctx.attr.library[CcInfo].compilation_context)]

headers_only = rule(
    implementation = _headers_only_impl,
    attrs = {"library": attr.label(mandatory = True, providers = [CcInfo])},
    doc = "What users of the library may include, and nothing to link.",
)
