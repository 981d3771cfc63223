"""Tests in C, Lua and Python. Each kind prints its cases in a form that count_tests.py reads."""

load("@rules_cc//cc:cc_test.bzl", "cc_test")
load("@rules_shell//shell:sh_test.bzl", "sh_test")

def fe_cc_test(name, srcs, deps = [], size = "small", **kwargs):
    """A test program in C with cmocka; its main returns cmocka_run_group_tests(...).

    Args:
      name: of the target.
      srcs: C files.
      deps: libraries under test.
      size: small, medium, large or enormous: how long it may take (1, 5, 15 or 60 minutes).
      **kwargs: of cc_test.
    """
    cc_test(
        name = name,
        srcs = srcs,
        size = size,
        deps = deps + ["@cmocka"],
        **kwargs
    )

def _environment(programs):
    return ["--env=%s=$(rootpath %s)" % (variable, label) for variable, label in programs.items()]

def fe_lua_test(name, src, programs = {}, data = [], size = "small", lua = "//bindings/lua:ferroc-lua", **kwargs):
    """A test in Lua with LuaUnit: src requires "luaunit" and ends with os.exit(luaunit.LuaUnit.run()).

    Args:
      name: of the target.
      src: the Lua file.
      programs: {environment variable: label}; the test finds each program's absolute path there.
      data: other files that the test reads.
      size: see fe_cc_test.
      lua: the interpreter that runs the test.
      **kwargs: of sh_test.
    """
    sh_test(
        name = name,
        srcs = ["//tools:run_lua_test.sh"],
        args = _environment(programs) + [
            "$(rootpath %s)" % lua,
            "$(rootpath @luaunit//:luaunit.lua)",
            "$(rootpath %s)" % src,
        ],
        data = data + programs.values() + [lua, src, "//tools:test_arguments.sh", "@luaunit//:luaunit.lua"],
        size = size,
        **kwargs
    )

def fe_py_test(name, srcs, programs = {}, data = [], pythonpath = [], size = "small", tags = [], **kwargs):
    """A test in Python with pytest, run by the interpreter that ferroc is built for.

    Args:
      name: of the target.
      srcs: Python files; those named test_* or *_test.py are run, the others (conftest.py) are there.
      programs: {environment variable: label}; the test finds each program's absolute path there.
      data: other files that the test reads.
      pythonpath: folders, from the workspace's root, that the test imports from.
      size: see fe_cc_test.
      tags: of sh_test. No sanitizer can come into an interpreter that was built without it, and it runs on this machine.
      **kwargs: of sh_test.
    """
    tests = [src for src in srcs if src.split("/")[-1].startswith("test_") or src.endswith("_test.py")]
    if not tests:
        fail("%s: none of its srcs is named test_*.py or *_test.py, so pytest would run nothing" % name)
    sh_test(
        name = name,
        srcs = ["//tools:run_python_test.sh"],
        args = _environment(programs) +
               ["--pythonpath=" + folder for folder in pythonpath] +
               ["$(rootpath @python//:path.sh)", "$(rootpath @python_test//:site/README)"] +
               ["$(rootpath %s)" % test for test in tests],
        data = data + programs.values() + srcs + [
            "//tools:test_arguments.sh",
            "@python//:path.sh",
            "@python_test//:site",
            "@python_test//:site/README",
        ],
        size = size,
        tags = tags + ["no-sanitizer", "no-foreign"],
        **kwargs
    )
