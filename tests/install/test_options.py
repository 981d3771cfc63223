"""What the installer accepts, and what it says to the rest."""

import pytest


def test_help_names_every_option_and_installs_nothing(installer, tmp_path):
    text = installer.install("--help")
    assert all(option in text for option in ("--prefix", "--libdir", "--destdir"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "--prefix is missing"),
        (["--prefix"], "--prefix needs a folder"),
        (["--prefix="], "--prefix needs a folder, and got an empty word"),
        (["--prefix", "here"], "must be absolute; from where you stand this is "),
        (["--prefix", "/x", "--libdir", "/y"], "--libdir /y: must be relative"),
        (["--prefix", "/x", "--libdir", "../y"], "--libdir must name a folder below the prefix"),
        (["--prefix", "/x", "--libdir", "lib/.."], "--libdir must name a folder below the prefix"),
        (["--prefix", "/x", "--destdir="], "--destdir needs a folder"),
        (["--prefix", "/x", "--strip"], "'--strip' is no option"),
        (["/x"], "'/x' is no option"),
    ],
)
def test_bad_options_get_a_message_and_the_usage(installer, tmp_path, options, message):
    done = installer.run(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "usage: bazel run //:install -- --prefix DIR" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_relative_prefix_is_shown_as_the_absolute_one_from_where_the_caller_stands(installer, tmp_path):
    assert f"{tmp_path}/here" in installer.run("--prefix", "here").stderr


def test_a_prefix_that_cannot_be_made_is_named(installer, tmp_path):
    (tmp_path / "file").write_text("")
    done = installer.run("--prefix", tmp_path / "file" / "prefix")
    assert done.returncode == 1
    assert f"stopped; nothing more is installed in {tmp_path}/file/prefix" in done.stderr
    assert done.stdout == ""


def test_options_may_be_written_with_an_equals_sign(installer, tmp_path):
    installer.install(f"--prefix={tmp_path}/a", "--libdir=lib64")
    assert (tmp_path / "a/lib64/libferroc.a").is_file()


def test_destdir_comes_before_the_prefix_and_may_be_relative_to_the_caller(installer, tmp_path):
    installer.install("--prefix", "/usr/local", "--destdir", "stage")
    assert (tmp_path / "stage/usr/local/include/ferroc.h").is_file()
