"""Repository rule that finds Lua 5.4 on this machine.

@lua54//:headers  lua.h and its companions, for C modules that a running Lua loads.
@lua54//:lua      the same with the library, whole (static if there is one), for programs that embed Lua.
@lua54//:defs.bzl LUA_VERSION, as "5.4".

Where it looks: $LUA_DIR (a prefix with include/ and lib/), else pkg-config, else the usual folders. For another machine than
this one the library is Debian's (debian.bzl).
"""

load("//tools:debian.bzl", "foreign_settings")

_HELP = """Lua 5.4 was not found: {why}.
Install it (Debian: apt-get install liblua5.4-dev) or set LUA_DIR to the folder
that has include/lua.h and lib/liblua.a, for instance: LUA_DIR=/usr/local"""

_PACKAGE_NAMES = ["lua5.4", "lua-5.4", "lua54", "lua"]

_LIBRARY_NAMES = ["lua5.4", "lua-5.4", "lua54", "lua"]

_BUILD = """
load("@rules_cc//cc:cc_import.bzl", "cc_import")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

cc_library(
    name = "native_headers",
    hdrs = glob(["include/**/*.h"]),
    includes = ["include"],
)
{library}
cc_library(
    name = "native",
    linkopts = {linkopts},
    deps = {deps},
)

[
    alias(
        name = name,
        actual = select({{
            "{is_aarch64}": "@debian_arm64//:" + foreign,
            "{is_x86_32}": "@debian_i386//:" + foreign,
            "//conditions:default": native_name,
        }}),
    )
    for name, foreign, native_name in [
        ("headers", "lua_headers", ":native_headers"),
        ("lua", "lua", ":native"),
    ]
]
"""

_STATIC_LIBRARY = """
# A program that embeds Lua shows the whole of Lua to the C modules it loads.
cc_import(
    name = "static",
    alwayslink = 1,
    static_library = "{file}",
)
"""

def _ask_pkg_config(repository_ctx, arguments):
    pkg_config = repository_ctx.which("pkg-config")
    if not pkg_config:
        return None
    answer = repository_ctx.execute([pkg_config] + arguments)
    return answer.stdout.strip() if answer.return_code == 0 else None

def _candidates(repository_ctx):
    """Pairs of an include folder and the folders where the library may be."""
    machine = repository_ctx.execute(["uname", "-m"]).stdout.strip()
    prefix = repository_ctx.os.environ.get("LUA_DIR")
    if prefix:
        folders = [prefix + "/lib", prefix + "/lib/%s-linux-gnu" % machine]
        return [
            (include, folders)
            for include in [prefix + "/include", prefix + "/include/lua5.4"]
        ]
    usual = ["/usr/lib/%s-linux-gnu" % machine, "/usr/lib64", "/usr/lib", "/usr/local/lib"]
    found = []
    for name in _PACKAGE_NAMES:
        if _ask_pkg_config(repository_ctx, ["--exists", name]) == None:
            continue
        include = _ask_pkg_config(repository_ctx, ["--variable=includedir", name])
        flags = _ask_pkg_config(repository_ctx, ["--cflags-only-I", name])
        folder = _ask_pkg_config(repository_ctx, ["--variable=libdir", name])
        for flag in (flags or "").split(" "):
            if flag.startswith("-I"):
                found.append((flag[2:], [folder] + usual if folder else usual))
        if include:
            found.append((include, [folder] + usual if folder else usual))
    for include in ["/usr/include/lua5.4", "/usr/local/include/lua5.4", "/usr/local/include", "/usr/include"]:
        found.append((include, usual))
    return found

def _is_lua54(repository_ctx, include):
    header = repository_ctx.path(include).get_child("lua.h")
    if not header.exists:
        return False
    text = repository_ctx.read(header)
    for line in text.split("\n"):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words[:2] == ["#define", "LUA_VERSION_NUM"]:
            return words[2] == "504"
        if words[:2] == ["#define", "LUA_VERSION_MINOR"]:
            return words[2].strip('"') == "4"
    return False

def _find_library(repository_ctx, folders, pattern):
    for folder in folders:
        for name in _LIBRARY_NAMES:
            path = repository_ctx.path(folder + "/" + pattern % name)
            if path.exists:
                return path, folder, name
    return None, None, None

def _lua_repository_impl(repository_ctx):
    for include, folders in _candidates(repository_ctx):
        if not _is_lua54(repository_ctx, include):
            continue
        for header in ["lua.h", "luaconf.h", "lualib.h", "lauxlib.h"]:
            repository_ctx.symlink(include + "/" + header, "include/" + header)
        linkopts = ["-lm", "-ldl"]
        deps = [":native_headers"]
        library = ""
        static, _, _ = _find_library(repository_ctx, folders, "lib%s.a")
        if static:
            repository_ctx.symlink(static, static.basename)
            library = _STATIC_LIBRARY.format(file = static.basename)
            deps.append(":static")
        else:
            shared, folder, name = _find_library(repository_ctx, folders, "lib%s.so")
            if not shared:
                fail(_HELP.format(why = "its headers are in %s, but no library is in %s" %
                                        (include, ", ".join(folders))))
            linkopts = ["-L" + folder, "-l" + name, "-Wl,-rpath," + folder] + linkopts
        repository_ctx.file("BUILD", _BUILD.format(
            library = library,
            linkopts = repr(linkopts),
            deps = repr(deps),
            **foreign_settings()
        ))
        repository_ctx.file("defs.bzl", 'LUA_VERSION = "5.4"\n')
        return
    prefix = repository_ctx.os.environ.get("LUA_DIR")
    if prefix:
        fail(_HELP.format(why = "LUA_DIR is %s, and there is no include/lua.h of version 5.4" % prefix))
    fail(_HELP.format(why = "no lua.h of version 5.4 by pkg-config or in the usual folders"))

lua_repository = repository_rule(
    implementation = _lua_repository_impl,
    environ = ["LUA_DIR", "PKG_CONFIG_PATH"],
    local = True,
    doc = "Finds Lua 5.4 on this machine.",
)

_LUAUNIT_HELP = """LuaUnit was not found in any of: {places}.
Install it (Debian: apt-get install lua-unit) or set LUAUNIT to the path of luaunit.lua."""

def _luaunit_repository_impl(repository_ctx):
    chosen = repository_ctx.os.environ.get("LUAUNIT")
    places = [chosen] if chosen else [
        "/usr/share/lua/5.4/luaunit.lua",
        "/usr/local/share/lua/5.4/luaunit.lua",
    ]
    for place in places:
        if repository_ctx.path(place).exists:
            repository_ctx.symlink(place, "luaunit.lua")
            repository_ctx.file("BUILD", 'exports_files(["luaunit.lua"])\n')
            return
    fail(_LUAUNIT_HELP.format(places = ", ".join(places)))

luaunit_repository = repository_rule(
    implementation = _luaunit_repository_impl,
    environ = ["LUAUNIT"],
    local = True,
    doc = "Finds the test library LuaUnit on this machine: @luaunit//:luaunit.lua.",
)
