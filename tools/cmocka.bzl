"""Repository rule that finds the C test library cmocka on this machine: @cmocka//:cmocka.

Where it looks: $CMOCKA_DIR (a prefix with include/ and lib/), else the compiler's own search path. For another machine than
this one it is Debian's (debian.bzl).
"""

load("//tools:debian.bzl", "foreign_settings")

_HELP = """cmocka was not found: there is no cmocka.h in {places}.
Install it (Debian: apt-get install libcmocka-dev) or set CMOCKA_DIR to the folder
that has include/cmocka.h and lib/libcmocka.so."""

_BUILD = """
load("@rules_cc//cc:cc_library.bzl", "cc_library")

alias(
    name = "cmocka",
    actual = select({{
        "{is_aarch64}": "@debian_arm64//:cmocka",
        "{is_x86_32}": "@debian_i386//:cmocka",
        "//conditions:default": ":native",
    }}),
    visibility = ["//visibility:public"],
)

cc_library(
    name = "native",
    hdrs = ["include/cmocka.h"],
    # cmocka 2 has other functions for these, which cmocka 1 has not.
    defines = ["CMOCKA_DISABLE_DEPRECATION_WARNINGS"],
    includes = ["include"],
    linkopts = {linkopts},
)
"""

def _cmocka_repository_impl(repository_ctx):
    prefix = repository_ctx.os.environ.get("CMOCKA_DIR")
    prefixes = [prefix] if prefix else ["/usr", "/usr/local"]
    for folder in prefixes:
        header = repository_ctx.path(folder + "/include/cmocka.h")
        if header.exists:
            repository_ctx.symlink(header, "include/cmocka.h")
            own = ["-L%s/lib" % folder, "-Wl,-rpath,%s/lib" % folder] if folder != "/usr" else []
            repository_ctx.file("BUILD", _BUILD.format(
                linkopts = repr(own + ["-lcmocka"]),
                **foreign_settings()
            ))
            return
    fail(_HELP.format(places = ", ".join([folder + "/include" for folder in prefixes])))

cmocka_repository = repository_rule(
    implementation = _cmocka_repository_impl,
    environ = ["CMOCKA_DIR"],
    local = True,
    doc = "Finds the C test library cmocka on this machine.",
)
