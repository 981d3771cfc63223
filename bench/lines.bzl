"""A program built with debug lines, beside the one without: they tell which line each instruction is of."""

def _with_lines_impl(settings, _attr):
    return {
        "//command_line_option:compilation_mode": "opt",
        "//command_line_option:copt": settings["//command_line_option:copt"] + ["-g"],
        "//command_line_option:strip": "never",
    }

_with_lines = transition(
    implementation = _with_lines_impl,
    inputs = ["//command_line_option:copt"],
    outputs = [
        "//command_line_option:compilation_mode",
        "//command_line_option:copt",
        "//command_line_option:strip",
    ],
)

def _program_with_lines_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = program, target_file = ctx.attr.program[0].files_to_run.executable, is_executable = True)
    return [DefaultInfo(files = depset([program]), executable = program, runfiles = ctx.runfiles([program]))]

program_with_lines = rule(
    implementation = _program_with_lines_impl,
    attrs = {
        "program": attr.label(mandatory = True, cfg = _with_lines, executable = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
    doc = "The program as an optimised build has it, with -g, which changes no instruction.",
)
