"""All repositories that ferroc needs, for WORKSPACE files (Bazel 4), ours and others', and MODULE.bazel (later ones).

What is looked up on this machine is looked up when a target first needs it, so a missing one hinders nobody else.
"""

load("//tools:cmocka.bzl", "cmocka_repository")
load("//tools:debian.bzl", "debian_kernel_repository", "debian_repository")
load("//tools:lua.bzl", "lua_repository", "luaunit_repository")
load("//tools:python.bzl", "python_repository", "python_test_repository")

def local_repositories():
    """Defines the repositories @cmocka, @lua54, @luaunit, @python, @python_test, @python_charts, and those of debian.bzl."""
    for name, repository in {
        "cmocka": cmocka_repository,
        "lua54": lua_repository,
        "luaunit": luaunit_repository,
        "python": python_repository,
        "python_test": python_test_repository,
    }.items():
        if not native.existing_rule(name):
            repository(name = name)
    if not native.existing_rule("python_charts"):
        python_test_repository(name = "python_charts", requirements = Label("//tools:python_chart_requirements.txt"))
    for name, architecture, triplet in [
        ("debian_arm64", "arm64", "aarch64-linux-gnu"),
        ("debian_i386", "i386", "i386-linux-gnu"),
    ]:
        if not native.existing_rule(name):
            debian_repository(name = name, architecture = architecture, triplet = triplet)
    if not native.existing_rule("debian_arm64_kernel"):
        debian_kernel_repository(name = "debian_arm64_kernel", architecture = "arm64")

def _compat_impl(repository_ctx):
    # Not by the label of what is in there: .bazelignore hides that.
    tools = repository_ctx.path(Label("//tools:repositories.bzl")).dirname
    folder = tools.get_child("compat").get_child(repository_ctx.attr.part)
    for child in folder.readdir():
        repository_ctx.symlink(child, child.basename)

_compat_repository = repository_rule(
    implementation = _compat_impl,
    attrs = {"part": attr.string(mandatory = True)},
    local = True,
    doc = "One of the rule sets that Bazel 4 would download, replaced by the rules that it has itself.",
)

def ferroc_repositories():
    """For the WORKSPACE of whoever builds ferroc into his programs; what is defined before stays as it is."""
    for name in ["rules_cc", "rules_java", "rules_proto", "rules_shell", "remote_coverage_tools"]:
        if not native.existing_rule(name):
            _compat_repository(name = name, part = name)
    local_repositories()
