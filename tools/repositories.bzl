"""All that is looked up on this machine, for WORKSPACE (Bazel 4) and MODULE.bazel (later ones).

Each is looked up when a target first needs it, so a missing one hinders nobody else.
"""

load("//tools:cmocka.bzl", "cmocka_repository")
load("//tools:debian.bzl", "debian_kernel_repository", "debian_repository")
load("//tools:lua.bzl", "lua_repository", "luaunit_repository")
load("//tools:python.bzl", "python_repository", "python_test_repository")

def local_repositories():
    """Defines the repositories @cmocka, @lua54, @luaunit, @python, @python_test, and those of debian.bzl."""
    cmocka_repository(name = "cmocka")
    lua_repository(name = "lua54")
    luaunit_repository(name = "luaunit")
    python_repository(name = "python")
    python_test_repository(name = "python_test")
    debian_repository(name = "debian_arm64", architecture = "arm64", triplet = "aarch64-linux-gnu")
    debian_repository(name = "debian_i386", architecture = "i386", triplet = "i386-linux-gnu")
    debian_kernel_repository(name = "debian_arm64_kernel", architecture = "arm64")
