"""A C and C++ toolchain for another machine than this one, by one of Debian's gccs."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:cc_toolchain_config_lib.bzl", "feature", "flag_group", "flag_set", "tool_path")

_COMPILE = [
    ACTION_NAMES.c_compile,
    ACTION_NAMES.cpp_compile,
]

_LINK = [
    ACTION_NAMES.cpp_link_executable,
    ACTION_NAMES.cpp_link_dynamic_library,
    ACTION_NAMES.cpp_link_nodeps_dynamic_library,
]

# The tools that Bazel 4 wants by these names.
_TOOLS = ["ar", "cpp", "gcc", "gcov", "ld", "nm", "objdump", "strip"]

def _always(name, actions, flags):
    return feature(
        name = name,
        enabled = True,
        flag_sets = [flag_set(actions = actions, flag_groups = [flag_group(flags = flags)])],
    )

def _foreign_toolchain_config_impl(ctx):
    triplet = ctx.attr.triplet
    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx,
        toolchain_identifier = triplet,
        host_system_name = "local",
        target_system_name = triplet,
        target_cpu = triplet.split("-")[0],
        target_libc = "glibc",
        compiler = "gcc",
        abi_version = "gcc",
        abi_libc_version = "glibc",
        cxx_builtin_include_directories = ctx.attr.include_folders,
        features = ([_always("machine", _COMPILE + _LINK, ctx.attr.flags)] if ctx.attr.flags else []) + [
            feature(name = "supports_pic", enabled = True),
            _always("optimised", _COMPILE, ["-O1", "-fno-omit-frame-pointer"]),
            _always("libraries", _LINK, ["-lstdc++", "-lm"]),
            feature(name = "opt", flag_sets = [flag_set(
                actions = _COMPILE,
                flag_groups = [flag_group(flags = ["-O2", "-DNDEBUG"])],
            )]),
        ],
        tool_paths = [
            tool_path(name = tool, path = "/usr/bin/%s-%s" % (triplet, tool))
            for tool in _TOOLS
        ],
    )

foreign_toolchain_config = rule(
    implementation = _foreign_toolchain_config_impl,
    attrs = {
        "flags": attr.string_list(doc = "For compiler and linker."),
        "include_folders": attr.string_list(mandatory = True, doc = "Where the compiler finds headers by itself."),
        "triplet": attr.string(mandatory = True, doc = "What the names of its tools begin with: aarch64-linux-gnu."),
    },
    provides = [CcToolchainConfigInfo],
    doc = "How Bazel uses a gcc that makes programs for another machine.",
)
