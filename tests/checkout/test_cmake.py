"""A CMake project takes the source in, and gets the libraries by the names that find_package gives them."""

import re
import shutil

import pytest
from conftest import PROGRAM, PROGRAM_IN_CXX, examples, run

pytestmark = pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is missing (Debian: cmake)")

ADD_SUBDIRECTORY = "add_subdirectory({checkout} ferroc)"
FETCH_CONTENT = """
include(FetchContent)
FetchContent_Declare(ferroc SOURCE_DIR {checkout})
FetchContent_MakeAvailable(ferroc)
"""
EXECUTABLES = """
add_executable(shared {source})
target_link_libraries(shared ferroc::ferroc)
add_executable(static {source})
target_link_libraries(static ferroc::static)
"""


def build(folder, source, text, language, way, *options):
    (folder / source).write_text(text)
    project = f"cmake_minimum_required(VERSION 3.14)\nproject(mine LANGUAGES {language})\n"
    (folder / "CMakeLists.txt").write_text(project + way + EXECUTABLES.format(source=source))
    run("cmake", "-S", folder, "-B", folder / "build", *options, cwd=folder)
    run("cmake", "--build", folder / "build", "--parallel", "2", cwd=folder)
    return folder / "build"


@pytest.mark.parametrize("way", [ADD_SUBDIRECTORY, FETCH_CONTENT], ids=["add_subdirectory", "fetch_content"])
def test_a_project_in_c(checkout, tmp_path, way):
    built = build(tmp_path, "program.c", PROGRAM.format(header="<ferroc.h>"), "C", way.format(checkout=checkout))
    assert run(built / "shared", cwd="/") == "and malloc\n"
    assert run(built / "static", cwd="/") == "served\n"
    needed = run("readelf", "--dynamic", built / "shared", cwd="/")
    assert "[libferroc.so.0]" in needed
    for program in ("shared", "static", "ferroc/libferroc.so" if way == ADD_SUBDIRECTORY else "shared"):
        assert "libstdc++" not in run("readelf", "--dynamic", built / program, cwd="/")


def test_a_project_in_cxx(checkout, tmp_path):
    text = PROGRAM_IN_CXX.format(header="<ferroc.hpp>")
    way = "set(CMAKE_CXX_STANDARD 17)\n" + ADD_SUBDIRECTORY.format(checkout=checkout)
    built = build(tmp_path, "program.cc", text, "CXX", way, "-DCMAKE_BUILD_TYPE=Debug")
    assert run(built / "shared", cwd="/") == run(built / "static", cwd="/") == "served\n"


def test_the_lines_of_the_readme(checkout, tmp_path):
    (way,) = examples(checkout / "README.md", "cmake")
    assert "third_party/ferroc" in way
    (tmp_path / "third_party").mkdir()
    (tmp_path / "third_party/ferroc").symlink_to(checkout)
    (tmp_path / "program.c").write_text(PROGRAM.format(header="<ferroc.h>"))
    project = "cmake_minimum_required(VERSION 3.14)\nproject(mine LANGUAGES C)\nadd_executable(program program.c)\n"
    (tmp_path / "CMakeLists.txt").write_text(project + way)
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", cwd=tmp_path)
    run("cmake", "--build", tmp_path / "build", "--parallel", "2", "--target", "program", cwd=tmp_path)
    assert run(tmp_path / "build/program", cwd="/") == "served\n"


def test_the_version_is_the_header_s(checkout, tmp_path):
    header = (checkout / "core/ferroc.h").read_text()
    version = ".".join(re.findall(r"^#define FE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))
    run("cmake", "-S", checkout, "-B", tmp_path / "build", cwd=tmp_path)
    assert f"CMAKE_PROJECT_VERSION:STATIC={version}\n" in (tmp_path / "build/CMakeCache.txt").read_text()
