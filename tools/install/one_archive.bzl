"""A library and all that it is made of as one archive, for programs that are not built by Bazel."""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

_TOOLCHAIN = "@bazel_tools//tools/cpp:current_cc_toolchain"

def _one_archive_impl(ctx):
    objects = []
    for linker_input in ctx.attr.library[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            # Position independent, so that the archive can go into shared libraries too.
            objects += library.pic_objects or fail("%s has no position independent objects" % linker_input.owner)
    archive = ctx.actions.declare_file(ctx.label.name)
    toolchain = ctx.attr._toolchain[cc_common.CcToolchainInfo]
    arguments = ctx.actions.args()

    # Appends, since floors may have files of the same name; no dates.
    arguments.add("qcsD")
    arguments.add(archive)
    arguments.add_all(objects)
    ctx.actions.run(
        executable = toolchain.ar_executable,
        arguments = [arguments],
        inputs = depset(objects, transitive = [toolchain.all_files]),
        outputs = [archive],
        mnemonic = "OneArchive",
    )
    return [DefaultInfo(files = depset([archive]), runfiles = ctx.runfiles([archive]))]

one_archive = rule(
    implementation = _one_archive_impl,
    attrs = {
        "library": attr.label(mandatory = True, providers = [CcInfo]),
        "_toolchain": attr.label(default = Label(_TOOLCHAIN)),
    },
    doc = "An archive, named as the target, of all objects that users of the library link.",
)
