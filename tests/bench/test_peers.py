"""A peer counts only if the loader really took malloc from it."""

import os
import shutil

import pytest
from runner import peers, programs

MAPS = """\
55e5c8a00000-55e5c8a28000 r--p 00000000 08:01 42   /usr/bin/program
7f1c2c000000-7f1c2c021000 rw-p 00000000 00:00 0
7f1c2d000000-7f1c2d010000 r-xp 00000000 08:01 43   {library}
"""


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "libmine.so"
    path.write_bytes(b"")
    return str(path)


@pytest.fixture
def real_process(monkeypatch):
    """Peers are proven by the program that Bazel built for this test."""
    monkeypatch.setattr(programs, "built", lambda name: os.environ[name.upper().replace("-", "_")])


def test_a_peer_whose_malloc_is_used_counts(library):
    peers.check_owner("mine", library, [library] * 4)


def test_a_peer_counts_under_the_name_of_a_link_to_it(library, tmp_path):
    link = str(tmp_path / "link.so")
    os.symlink(library, link)
    peers.check_owner("mine", link, [library] * 4)
    peers.check_maps("mine", link, "program", MAPS.format(library=library))


@pytest.mark.parametrize("owners", [["/lib/libc.so.6"] * 4, []])
def test_a_peer_whose_malloc_is_not_used_is_refused(library, owners, refused):
    with refused("mine", "did not load"):
        peers.check_owner("mine", library, owners)


def test_a_peer_that_has_only_a_part_of_the_family_is_refused(library, refused):
    with refused("mine", "/lib/libc.so.6"):
        peers.check_owner("mine", library, [library, library, "/lib/libc.so.6", library])


def test_a_peer_that_is_not_mapped_is_refused(library, refused):
    with refused("mine", "lua-default"):
        peers.check_maps("mine", library, "lua-default", MAPS.format(library="/usr/lib/libother.so"))


def test_the_loader_skips_a_file_that_is_no_library_and_the_runner_sees_it(library, real_process, refused):
    with refused("mine", "did not load", "libc"):
        peers.prove_loaded("mine", library)


def test_a_library_without_malloc_is_refused(real_process, refused):
    libraries = [os.path.join(folder, "libm.so.6") for folder in
                 ("/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/lib")]
    library = next(path for path in libraries if os.path.exists(path))
    with refused("mathematics", "did not load"):
        peers.prove_loaded("mathematics", library)


def test_what_is_missing_is_named_with_its_package_if_it_has_one():
    assert peers.missing({"mimalloc": "/x", "tcmalloc": "/y"}) == {"jemalloc": "libjemalloc2"}


@pytest.mark.parametrize("name", sorted(peers.KNOWN_PEERS))
def test_an_installed_peer_loads(name, real_process, refused, tmp_path):
    found = peers.detect()
    if name not in found:
        pytest.skip(f"{name} is not installed")
    peers.prove_loaded(name, found[name])
    print_maps = str(tmp_path / "print_maps")
    shutil.copy("/bin/cat", print_maps)
    peers.prove_mapped(name, found[name], [print_maps, "/proc/self/maps"])
