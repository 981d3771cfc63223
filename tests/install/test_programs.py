"""Programs in C and C++ are built against an installed tree that was moved, and run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path("tests/install/programs").resolve()
COMPILERS = {"program.c": ["gcc", "-std=c11"], "program.cc": ["g++", "-std=c++17"]}

languages = pytest.mark.parametrize("source", list(COMPILERS))
kinds = pytest.mark.parametrize("kind", ["shared", "static"])


def needs(program, package):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is missing (Debian: {package})")


def run(*command, **settings):
    done = subprocess.run(list(map(str, command)), env=dict(os.environ, **settings), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def check(program, kind, tree):
    """The program runs on the library of this kind."""
    needed = run("readelf", "--dynamic", program)
    assert ("[libferroc.so.0]" in needed) == (kind == "shared")
    settings = {"LD_LIBRARY_PATH": str(tree / "lib/here")} if kind == "shared" else {}
    assert run(program, **settings) == "served\n"


def pkg_config(tree, *options, package="ferroc"):
    return run("pkg-config", *options, package, PKG_CONFIG_PATH=str(tree / "lib/here/pkgconfig"))


@needs("pkg-config", "pkg-config")
@languages
def test_pkg_config_builds_programs_on_the_shared_library(moved_tree, tmp_path, source):
    flags = pkg_config(moved_tree, "--cflags", "--libs").split()
    run(*COMPILERS[source], PROGRAMS / source, "-o", tmp_path / "program", *flags)
    check(tmp_path / "program", "shared", moved_tree)


@needs("pkg-config", "pkg-config")
@languages
def test_pkg_config_builds_programs_that_are_static_altogether(moved_tree, tmp_path, source):
    flags = pkg_config(moved_tree, "--static", "--cflags", "--libs").split()
    run(*COMPILERS[source], "-static", PROGRAMS / source, "-o", tmp_path / "program", *flags)
    check(tmp_path / "program", "static", moved_tree)


@needs("pkg-config", "pkg-config")
@languages
def test_pkg_config_builds_programs_on_the_static_library_alone(moved_tree, tmp_path, source):
    flags = pkg_config(moved_tree, "--cflags", "--libs", package="ferroc-static").split()
    run(*COMPILERS[source], PROGRAMS / source, "-o", tmp_path / "program", *flags)
    check(tmp_path / "program", "static", moved_tree)
    (tmp_path / "whose.c").write_text(WHOSE_MALLOC)
    run("gcc", "-fno-builtin", tmp_path / "whose.c", "-o", tmp_path / "whose", *flags)
    assert run(tmp_path / "whose") == "libc's\n"


@needs("pkg-config", "pkg-config")
def test_the_archive_goes_into_a_shared_library(moved_tree, tmp_path):
    (tmp_path / "mine.c").write_text('#include <ferroc.h>\nvoid *mine(void) { return fe_malloc(1); }\n')
    run("gcc", "-shared", "-fPIC", *pkg_config(moved_tree, "--cflags").split(), tmp_path / "mine.c", "-o",
        tmp_path / "libmine.so", f"-L{moved_tree}/lib/here", "-l:libferroc.a", "-Wl,-z,defs")
    assert "[libferroc" not in run("readelf", "--dynamic", tmp_path / "libmine.so")


WHOSE_MALLOC = """
#include <ferroc.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) { puts(fe_owns(malloc(1)) ? "ferroc's" : "libc's"); }
"""


@kinds
def test_malloc_is_ferroc_s_with_the_shared_library_and_stays_libc_s_with_the_static_one(moved_tree, tmp_path, kind):
    library = moved_tree / "lib/here"
    (tmp_path / "whose.c").write_text(WHOSE_MALLOC)
    run("gcc", "-fno-builtin", f"-I{moved_tree}/include", tmp_path / "whose.c", "-o", tmp_path / "whose",
        f"-L{library}", {"shared": "-lferroc", "static": "-l:libferroc.a"}[kind])
    expected = {"shared": "ferroc's\n", "static": "libc's\n"}[kind]
    assert run(tmp_path / "whose", LD_LIBRARY_PATH=str(library)) == expected


def test_a_program_s_malloc_is_ferroc_s_when_the_shared_library_is_preloaded(moved_tree):
    library = str(moved_tree / "lib/here/libferroc.so")
    maps = run("cat", "/proc/self/maps", LD_PRELOAD=library)
    assert library in maps or os.path.realpath(library) in maps
    assert "[heap]" not in maps


CMAKE_PROJECT = """
cmake_minimum_required(VERSION 3.13)
project(uses_ferroc LANGUAGES {language})
find_package(ferroc {version} REQUIRED)
add_executable(program {source})
target_link_libraries(program {target})
"""


def configure(folder, tree, version="", source="program.c", target="ferroc::ferroc"):
    """What CMake said, and whether it was content."""
    folder.joinpath("CMakeLists.txt").write_text(
        CMAKE_PROJECT.format(
            language="C" if source == "program.c" else "CXX",
            version=version,
            source=PROGRAMS / source,
            target=target,
        )
    )
    done = subprocess.run(
        ["cmake", "-S", folder, "-B", folder / "build", f"-Dferroc_DIR={tree}/lib/here/cmake/ferroc"],
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr, done.returncode == 0


@needs("cmake", "cmake")
@languages
@kinds
def test_cmake_builds_programs(moved_tree, tmp_path, source, kind):
    target = {"shared": "ferroc::ferroc", "static": "ferroc::static"}[kind]
    output, is_content = configure(tmp_path, moved_tree, "0.1", source, target)
    assert is_content, output
    run("cmake", "--build", tmp_path / "build")
    check(tmp_path / "build/program", kind, moved_tree)


@needs("cmake", "cmake")
@pytest.mark.parametrize("version", ["0.2", "1.0"])
def test_cmake_refuses_this_version_for_a_newer_one(moved_tree, tmp_path, version):
    output, is_content = configure(tmp_path, moved_tree, version)
    assert not is_content
    assert f'compatible with requested version "{version}"' in " ".join(output.split())


@needs("cmake", "cmake")
def test_cmake_finds_the_package_by_its_prefix_alone(installer, tmp_path):
    installer.install("--prefix", tmp_path / "with space")
    (tmp_path / "CMakeLists.txt").write_text(
        CMAKE_PROJECT.format(
            language="C", version="", source=PROGRAMS / "program.c", target="ferroc::static"
        )
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={tmp_path}/with space")
    run("cmake", "--build", tmp_path / "build")
    check(tmp_path / "build/program", "static", None)
