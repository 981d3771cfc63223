"""How a floor of the core is compiled."""

load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load("//tools:languages.bzl", "C", "CXX")

_FLAGS = [
    "-fvisibility=hidden",
    "-fno-semantic-interposition",
    "-fno-plt",

    # An exception of C++ passes through fe_new.
    "-fasynchronous-unwind-tables",
]

# A register for each hot path. The debug build keeps it for profilers and sanitizers.
_RELEASE_FLAGS = [
    "-fomit-frame-pointer",
]

# What a thread-local variable costs decides how fast an allocation can be. Programs and libraries that
# are there from the start reach theirs by one instruction. A library that is loaded later may not ask
# for room in the threads that run already; on x86-64, descriptors make that nearly as cheap.
_TLS_AT_START = ["-ftls-model=initial-exec"]

_TLS_LOADED_LATER = ["-ftls-model=global-dynamic"]

_TLS_DESCRIPTORS = ["-mtls-dialect=gnu2"]

# What the configurations valgrind, asan and hardened make of the core (track/track.h), side by side with the ordinary
# build. Without assertions: what they would find, the checks must find.
CHECKING_VARIANTS = {
    "valgrind": [
        "-DFE_TRACK_VALGRIND",
        "-DNDEBUG",
    ],
    "asan": [
        "-fsanitize=address",
        "-DNDEBUG",
    ],
    "hardened": [
        "-DFE_HARDENED",
        "-DNDEBUG",
    ],
}

def fe_floor(name, visibility, floors_below = [], srcs = None, hosted = [], freestanding = [], copts = [], **kwargs):
    """A floor of the core: all .c and .cc files of its folder, and its .h files for those above.

    Makes two libraries: `name`, and `name`_dlopen for shared libraries that a running program loads, each with a part for
    what is written in C++; those of
    CHECKING_VARIANTS, for tests of what they find; and the files `freestanding`, of which //core:bare_metal_* are made.

    Args:
      name: the floor's name, its folder's too.
      visibility: the floors above, and whoever else may include its headers.
      floors_below: names of the floors whose headers this one includes.
      srcs: instead of all .c and .cc files of the folder.
      hosted: .c files that need an operating system.
      freestanding: .c files that take their place where there is none.
      copts: further options of the compiler.
      **kwargs: of cc_library.
    """
    # For what is not built of libraries: the fuzzer, and who reads the text.
    native.filegroup(
        name = "sources",
        srcs = native.glob(["*.c", "*.h"], exclude = freestanding, allow_empty = True),
        visibility = [
            "//bench:__pkg__",
            "//tests/fuzz:__pkg__",
            "//tests/litmus:__pkg__",
            "//tools/mutations:__pkg__",
        ],
    )
    native.exports_files(
        ["BUILD"],
        visibility = ["//tools/mutations:__pkg__"],
    )
    variants = [
        ("", _TLS_AT_START, []),
        ("_dlopen", _TLS_LOADED_LATER + select({
            "//core:x86_64": _TLS_DESCRIPTORS,
            "//conditions:default": [],
        }), []),
    ]
    for checking, checking_flags in CHECKING_VARIANTS.items():
        variants.append(("_" + checking, _TLS_AT_START + checking_flags, ["manual"]))
    sources_in_cxx = native.glob(["*.cc"], allow_empty = True)
    for suffix, flags, tags in variants:
        parts = [(name + suffix, srcs or native.glob(["*.c"], exclude = freestanding, allow_empty = True), C)]
        if sources_in_cxx:
            parts.append((name + suffix + "_in_cxx", sources_in_cxx, CXX))
        for part, sources, language in parts:
            is_floor = part == name + suffix
            cc_library(
                name = part,
                srcs = sources,
                hdrs = native.glob(["*.h"], allow_empty = True),
                copts = language + _FLAGS + copts + flags + select({
                    "//core:release": _RELEASE_FLAGS,
                    "//conditions:default": [],
                }),
                linkopts = ["-lpthread"],
                linkstatic = True,

                # A shared library of ours holds the functions that nobody in it calls.
                alwayslink = True,
                tags = tags,
                visibility = visibility if is_floor else ["//visibility:private"],
                deps = ["//core:api"] +
                       ["//core/%s:%s%s" % (floor, floor, suffix) for floor in floors_below] +
                       [":" + other for other, _, _ in parts if is_floor and other != part],
                **kwargs
            )

    native.filegroup(
        name = "freestanding",
        srcs = native.glob(["*.c", "*.h"], exclude = hosted),
        visibility = ["//core:__pkg__"],
    )

def _sealed_library_impl(ctx):
    return [
        DefaultInfo(files = ctx.attr.implementation[DefaultInfo].files),
        CcInfo(
            compilation_context = ctx.attr.api[CcInfo].compilation_context,
            linking_context = ctx.attr.implementation[CcInfo].linking_context,
        ),
    ]

fe_sealed_library = rule(
    implementation = _sealed_library_impl,
    attrs = {
        "api": attr.label(mandatory = True, providers = [CcInfo]),
        "implementation": attr.label(mandatory = True, providers = [CcInfo]),
    },
    doc = "A library whose users link the implementation, and can include nothing but the api's headers.",
)
