"""Libraries and programs for machines without an operating system, by Debian's cross compilers."""

_FLAGS = [
    "-std=gnu11",
    "-ffreestanding",
    "-fno-pie",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-DFE_FREESTANDING",
]

_DEBUG_FLAGS = ["-Og", "-g"]
_RELEASE_FLAGS = ["-O2", "-DNDEBUG"]

# No code that needs registers for floating point, which a kernel does not save and a small processor does not have; nor,
# where it would be a choice, memory accesses that need address translation to be on.
CPUS = {
    "aarch64": struct(
        compiler = "aarch64-linux-gnu-gcc",
        package = "gcc-aarch64-linux-gnu",
        flags = ["-mgeneral-regs-only", "-mstrict-align", "-mno-outline-atomics"],
    ),
    "arm": struct(
        compiler = "arm-none-eabi-gcc",
        package = "gcc-arm-none-eabi",
        flags = ["-mcpu=cortex-a15", "-mfloat-abi=soft", "-mno-unaligned-access"],
    ),
    "cortex_m3": struct(
        compiler = "arm-none-eabi-gcc",
        package = "gcc-arm-none-eabi",
        flags = ["-mcpu=cortex-m3", "-mthumb"],
    ),
    "x86_64": struct(
        compiler = "x86_64-linux-gnu-gcc",
        package = "gcc-x86-64-linux-gnu",
        flags = ["-mgeneral-regs-only", "-mno-red-zone"],
    ),
}

def _compile(ctx, kind, output, files, inputs = [], flags = []):
    if ctx.attr.cpu not in CPUS:
        fail("%s: the cpu is %s; %s are allowed" % (ctx.label, ctx.attr.cpu, ", ".join(CPUS)))
    cpu = CPUS[ctx.attr.cpu]
    is_release = ctx.var["COMPILATION_MODE"] == "opt"
    arguments = ctx.actions.args()
    arguments.add_all([kind, output.path, cpu.compiler, cpu.package])
    arguments.add_all(_FLAGS + (_RELEASE_FLAGS if is_release else _DEBUG_FLAGS) + cpu.flags)
    arguments.add("-I.")
    arguments.add_all(ctx.attr.include_folders, before_each = "-isystem")
    arguments.add_all([
        "-DFE_SLAB_SHIFT=%d" % ctx.attr.slab_shift,
        "-DFE_SHARD_SHIFT=%d" % ctx.attr.shard_shift,
    ])
    arguments.add_all(flags + ctx.attr.copts)
    arguments.add("--")
    arguments.add_all(files)
    ctx.actions.run(
        outputs = [output],
        inputs = files + inputs,
        executable = ctx.executable._compile,
        arguments = [arguments],
        mnemonic = "BareMetal",
        progress_message = "Compiling %s for %s" % (ctx.label, ctx.attr.cpu),
        use_default_shell_env = True,
    )

def _split(files):
    """What is compiled, and what is only included."""
    sources = [file for file in files if file.extension in ["c", "S", "a"]]
    return sources, [file for file in files if file not in sources]

def _library_impl(ctx):
    archive = ctx.actions.declare_file("lib%s.a" % ctx.label.name)
    sources, headers = _split(ctx.files.srcs)
    _compile(ctx, "library", archive, sources, headers)
    return [DefaultInfo(files = depset([archive]), runfiles = ctx.runfiles([archive]))]

def _program_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name + ".elf")
    sources, headers = _split(ctx.files.srcs)
    script = ctx.file.linker_script
    flags = [
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        "-Wl,-z,noexecstack",
    ]
    if script:
        flags.append("-Wl,-T," + script.path)
        headers.append(script)
    _compile(ctx, "program", program, sources + ctx.files.deps, headers, flags)
    return [DefaultInfo(files = depset([program]), runfiles = ctx.runfiles([program]))]

_ATTRIBUTES = {
    "copts": attr.string_list(doc = "More flags, at the end, such as another -mcpu."),
    "cpu": attr.string(mandatory = True, doc = "One of CPUS."),
    "include_folders": attr.string_list(doc = "Where <headers> are, from the workspace's root."),
    "shard_shift": attr.int(mandatory = True, doc = "FE_SHARD_SHIFT: 12 for shards of 4 KiB."),
    "slab_shift": attr.int(mandatory = True, doc = "FE_SLAB_SHIFT: 16 for slabs of 64 KiB."),
    "srcs": attr.label_list(allow_files = [".c", ".S", ".h"], doc = "Sources, and headers that they include."),
    "_compile": attr.label(
        default = "//tools:bare_metal.sh",
        allow_single_file = True,
        executable = True,
        cfg = "host",
    ),
}

fe_bare_metal_library = rule(
    implementation = _library_impl,
    attrs = _ATTRIBUTES,
    doc = "A static library for a machine without an operating system.",
)

fe_bare_metal_program = rule(
    implementation = _program_impl,
    attrs = dict(
        _ATTRIBUTES,
        deps = attr.label_list(allow_files = [".a"], doc = "Libraries for the same cpu."),
        linker_script = attr.label(allow_single_file = [".ld"], doc = "Where what lies in memory; none: as usual on Linux."),
    ),
    doc = "A program for a machine without an operating system.",
)
