"""What lies in an installed tree, and how a new installation replaces an old one."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

HEADER = Path("core/ferroc.h").read_text()
VERSION = ".".join(re.findall(r"^#define FE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", HEADER, re.MULTILINE))
SO_VERSION = re.search(r'^SO_VERSION = "(.*)"$', Path("version.bzl").read_text(), re.MULTILINE).group(1)


@pytest.fixture
def tree(installer, tmp_path):
    installer.install("--prefix", tmp_path / "prefix")
    return tmp_path / "prefix"


def all_files(tree):
    return {str(path.relative_to(tree)): path for path in tree.rglob("*") if not path.is_dir()}


def test_these_files_and_no_others_are_installed(tree):
    assert set(all_files(tree)) == {
        "include/ferroc.h",
        "include/ferroc.hpp",
        "lib/libferroc.a",
        "lib/libferroc.so",
        f"lib/libferroc.so.{SO_VERSION}",
        f"lib/libferroc.so.{VERSION}",
        "lib/pkgconfig/ferroc.pc",
        "lib/pkgconfig/ferroc-static.pc",
        "lib/cmake/ferroc/ferrocConfig.cmake",
        "lib/cmake/ferroc/ferrocConfigVersion.cmake",
        "share/doc/ferroc/README.md",
        "share/doc/ferroc/LICENSE-APACHE",
        "share/doc/ferroc/LICENSE-MIT",
    }


def test_everybody_may_read_the_files_and_only_shared_libraries_run(tree):
    for name, path in all_files(tree).items():
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o755 if ".so" in name else 0o644), name
    assert stat.S_IMODE((tree / "lib").stat().st_mode) == 0o755


def test_no_file_is_a_link_out_of_the_tree_and_no_placeholder_is_left(tree):
    for path in all_files(tree).values():
        assert path.resolve().is_relative_to(tree)
        if path.suffix in (".pc", ".cmake"):
            assert not re.search(r"@\w+@", path.read_text()), path


def test_the_shared_library_s_links_and_soname_follow_the_version(tree):
    library = tree / "lib"
    assert (library / "libferroc.so").readlink() == Path(f"libferroc.so.{SO_VERSION}")
    assert (library / f"libferroc.so.{SO_VERSION}").readlink() == Path(f"libferroc.so.{VERSION}")
    dynamic = subprocess.check_output(["readelf", "--dynamic", library / "libferroc.so"], text=True)
    assert f"Library soname: [libferroc.so.{SO_VERSION}]" in dynamic


def test_all_say_the_header_s_version(tree):
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    for name in ("ferroc.pc", "ferroc-static.pc"):
        assert f"\nVersion: {VERSION}\n" in (tree / "lib/pkgconfig" / name).read_text()
    assert f'set(PACKAGE_VERSION "{VERSION}")' in (tree / "lib/cmake/ferroc/ferrocConfigVersion.cmake").read_text()


def test_links_of_the_installed_readme_lead_somewhere(tree):
    readme = tree / "share/doc/ferroc/README.md"
    for target in re.findall(r"\]\(([^)]*)\)", readme.read_text()):
        assert re.match("[a-z]+:|#", target) or (readme.parent / target).exists(), target
    assert "core/README.md" in readme.read_text()


def test_installed_headers_include_no_header_by_its_place_in_the_source_tree(tree):
    for header in (tree / "include").iterdir():
        assert not re.search(r'#include "(core|bindings)/', header.read_text()), header


def test_files_of_an_old_installation_are_replaced_and_not_written_into(installer, tree):
    library = tree / f"lib/libferroc.so.{VERSION}"
    library.write_text("in use")
    (tree / "kept").hardlink_to(library)
    (tree / "lib/libferroc.so").unlink()
    (tree / "lib/libferroc.so").write_text("no link")
    installer.install("--prefix", tree)
    assert (tree / "kept").read_text() == "in use"
    assert library.read_bytes().startswith(b"\x7fELF")
    assert (tree / "lib/libferroc.so").is_symlink()


def test_a_failure_says_so_and_leaves_no_unfinished_file(installer, tree):
    (tree / "lib/libferroc.a").unlink()
    (tree / "lib/libferroc.a").mkdir()
    done = installer.run("--prefix", tree)
    assert done.returncode == 1
    assert "libferroc.a" in done.stderr
    assert "is installed" not in done.stdout
    assert not [name for name in all_files(tree) if ".new." in name]
