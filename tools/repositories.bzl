"""All that is looked up on this machine, for WORKSPACE (Bazel 4) and MODULE.bazel (later ones).

Each is looked up when a target first needs it, so a missing one hinders nobody else.
"""

load("//tools:cmocka.bzl", "cmocka_repository")
load("//tools:lua.bzl", "lua_repository", "luaunit_repository")
load("//tools:python.bzl", "python_repository", "python_test_repository")

def local_repositories():
    """Defines the repositories @cmocka, @lua54, @luaunit, @python and @python_test."""
    cmocka_repository(name = "cmocka")
    lua_repository(name = "lua54")
    luaunit_repository(name = "luaunit")
    python_repository(name = "python")
    python_test_repository(name = "python_test")
