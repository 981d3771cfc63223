"""Test programs for machines without an operating system."""

load("@rules_shell//shell:sh_test.bzl", "sh_test")
load("//tools:bare_metal.bzl", "fe_bare_metal_program")

_SUPPORT = [
    "//tests/core:bare_metal_support",
    "region.h",
    "support.c",
    "libc/cmocka.c",
    "libc/cmocka.h",
    "libc/libc.c",
    "libc/setjmp.h",
    "libc/stdio.h",
    "libc/stdlib.h",
    "libc/string.h",
    "machine/machine.h",
]

# Emulators are slow: loops over memory are unrolled. Those of memcpy and its like must not become calls of memcpy.
_FLAGS = [
    "-O2",
    "-funroll-loops",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
]

def fe_bare_metal_test(topic, cpu, src = None, left_out = [], copts = [], message = None):
    """A test program, `topic`_`cpu`.elf, and the test `topic`_`cpu`_test that runs it.

    Args:
      topic: tests/core/`topic`_test.c is the source.
      cpu: one of CPUS in tools/bare_metal.bzl.
      src: instead of that source.
      left_out: the names of tests that are not run.
      copts: flags for the compiler.
      message: what the program must say before it fails; none: it must not fail.
    """
    program = "%s_%s" % (topic, cpu)
    is_linux = cpu == "x86_64"
    fe_bare_metal_program(
        name = program,
        testonly = True,
        srcs = [
            src or "//tests/core:%s_test.c" % topic,
            "//core:bare_metal_headers",
            "machine/start_%s.S" % cpu,
            "machine/linux.c" if is_linux else "machine/semihosting.c",
        ] + _SUPPORT,
        copts = _FLAGS + copts + ["-DFERROC_TESTS_LEFT_OUT=\"%s\"" % " ".join([""] + left_out + [""])],
        cpu = cpu,
        include_folders = [
            "tests/bare_metal/libc",
            "core/bare_metal/include",
        ],
        linker_script = None if is_linux else "machine/%s.ld" % cpu,
        shard_shift = 12,
        slab_shift = 16,
        deps = ["//core:bare_metal_" + cpu],
    )
    sh_test(
        name = program + "_test",
        size = "medium",
        srcs = ["run_test.sh"],
        args = [
            cpu,
            "$(rootpath :%s)" % program,
        ] + (["'%s'" % message] if message else []),
        data = [":" + program],
        tags = ["no-sanitizer"],
    )
