"""Somebody else's Bazel workspace builds and runs programs on ferroc, by the way that README.md says: without flags of ours."""

import pytest
from conftest import PROGRAM, PROGRAM_IN_CXX, examples, run

LUA_TEST = """
#include <lauxlib.h>
#include <lualib.h>
#include "bindings/lua/ferroc_lua.h"

int main(void) {
  lua_State *L = fe_lua_newstate(NULL);
  luaL_openlibs(L);
  int status = luaL_dostring(L, "assert(#('x'):rep(1000) == 1000)");
  fe_lua_close(L);
  return status;
}
"""

#: What a program needs that includes a header of ours.
DEPENDENCIES = {
    "core/ferroc.h": ["@ferroc"],
    "core/ferroc.hpp": ["@ferroc"],
    "bindings/lua/ferroc_lua.h": ["@ferroc//bindings/lua:ferroc_lua"],
    "bindings/python/ferroc_python.h": ["@ferroc//bindings/python:ferroc_python", "@python//:embed"],
}

BUILD_OF_TESTS = """
cc_binary(name = "program_in_cxx", srcs = ["program.cc"], copts = ["-std=c++17"], deps = ["@ferroc"])
cc_binary(name = "program_override", srcs = ["program.c"], malloc = "@ferroc//:ferroc_override", deps = ["@ferroc"])
cc_test(name = "lua_test", srcs = ["lua_test.c"], deps = ["@ferroc//bindings/lua:ferroc_lua"])
"""


def write_readme_programs(folder, ferroc):
    """The READMEs' examples that are whole programs, as example_0 and so on; what BUILD says of them."""
    readmes = [ferroc / "README.md", ferroc / "bindings/python/README.md"]
    programs = [(language, text) for readme in readmes for language in ("c", "cpp") for text in examples(readme, language)]
    lines = []
    for i, (language, text) in enumerate(programs):
        assert "int main(" in text, text
        source = f"example_{i}.{'c' if language == 'c' else 'cc'}"
        (folder / source).write_text(text)
        deps = [dep for header, deps in DEPENDENCIES.items() if f'"{header}"' in text for dep in deps]
        copts = ["-std=c++17"] if language == "cpp" else ["-Wall", "-Werror"]
        lines.append(f"cc_binary(name = 'example_{i}', srcs = ['{source}'], copts = {copts}, deps = {deps})\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def bazel(checkout, tmp_path_factory, bazel_in):
    folder = tmp_path_factory.mktemp("foreign")
    workspace, build = [text for text in examples(checkout / "README.md", "python") if "@ferroc" in text]
    assert '"third_party/ferroc"' in workspace
    (folder / "third_party").mkdir()
    checkout.rename(folder / "third_party/ferroc")
    (folder / ".bazelignore").write_text("third_party/ferroc\n")
    (folder / "WORKSPACE").write_text(workspace)
    (folder / "BUILD").write_text(build + BUILD_OF_TESTS + write_readme_programs(folder, folder / "third_party/ferroc"))
    (folder / "program.c").write_text(PROGRAM.format(header='"core/ferroc.h"'))
    (folder / "program.cc").write_text(PROGRAM_IN_CXX.format(header='"core/ferroc.hpp"'))
    (folder / "lua_test.c").write_text(LUA_TEST)
    return bazel_in(folder)


def test_a_program_in_c_keeps_its_malloc(bazel):
    assert bazel("run", "//:program") == "served\n"


def test_a_program_in_cxx(bazel):
    assert bazel("run", "//:program_in_cxx") == "served\n"


def test_a_program_with_ferroc_as_its_malloc(bazel):
    assert bazel("run", "//:program_override") == "and malloc\n"


def test_a_c_program_does_not_load_the_cxx_library(bazel):
    bazel("build", "@ferroc//:libferroc.so")
    assert "libstdc++" not in run("readelf", "--dynamic", bazel.cwd / "bazel-bin/external/ferroc/libferroc.so", cwd="/")


def test_a_test_of_a_program_that_embeds_lua(bazel):
    bazel("test", "//:lua_test")


@pytest.mark.parametrize("number", range(4))
def test_the_programs_of_the_readmes(bazel, number):
    said = bazel("run", f"//:example_{number}")
    source = next(bazel.cwd.glob(f"example_{number}.c*")).read_text()
    assert said == ("every object in ferroc\n" if "every object" in source else "")


def test_there_are_no_more_programs_in_the_readmes(bazel):
    assert len(list(bazel.cwd.glob("example_*"))) == 4


def test_scripts_are_looked_for_where_the_user_stands(bazel):
    (bazel.cwd / "script.lua").write_text("print('found')")
    assert bazel("run", "@ferroc//bindings/lua:ferroc-lua", "--", "script.lua") == "found\n"


def test_all_that_others_may_use_builds(bazel):
    bazel("build", "@ferroc//:ferroc", "@ferroc//:ferroc_override", "@ferroc//bindings/python:ferroc-python", "@ferroc//bindings/python:package")
