"""Virtual environments: inside one, ferroc-python finds what python3 finds there."""

import os
import shutil

import pytest
from support import FERROC_TEST_PYTHON, PYTHON, environment, output_of, run

REPORT = """
import sys, sysconfig
print(sys.prefix, sys.base_prefix, sys.exec_prefix, sys.path, sysconfig.get_path("purelib"))
import marker
print(marker.__file__)
"""


@pytest.fixture(scope="module", name="made")
def made_environment(tmp_path_factory):
    """An environment made with python3 that has a package of its own."""
    folder = tmp_path_factory.mktemp("environments") / "made"
    output_of(PYTHON, "-m", "venv", "--without-pip", str(folder))
    site = output_of(
        str(folder / "bin" / "python3"),
        "-c",
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    )
    with open(os.path.join(site.strip(), "marker.py"), "w", encoding="utf-8") as file:
        file.write("")
    return folder


def copy_of(environment_folder, tmp_path):
    """The environment again, for a test that changes it; its scripts are not used."""
    folder = tmp_path / "copy"
    shutil.copytree(environment_folder, folder, symlinks=True)
    return folder


def report_of(program, **options):
    return output_of(str(program), "-c", REPORT, **options)


def test_a_link_in_the_environment(made, tmp_path):
    folder = copy_of(made, tmp_path)
    (folder / "bin" / "ferroc-python").symlink_to(FERROC_TEST_PYTHON)
    assert report_of(folder / "bin" / "ferroc-python") == report_of(folder / "bin" / "python3")


def test_a_link_is_what_children_run(made, tmp_path):
    link = copy_of(made, tmp_path) / "bin" / "ferroc-python"
    link.symlink_to(FERROC_TEST_PYTHON)
    code = "import sys; print(sys.executable)"
    assert output_of(str(link), "-c", code) == f"{link}\n"


def test_a_link_in_place_of_the_interpreter(made, tmp_path):
    folder = copy_of(made, tmp_path)
    expected = report_of(folder / "bin" / "python3")
    for name in ("python", "python3"):
        (folder / "bin" / name).unlink()
        (folder / "bin" / name).symlink_to(FERROC_TEST_PYTHON)
    assert report_of(folder / "bin" / "python") == expected
    assert report_of(folder / "bin" / "python3") == expected
    code = "import _ferroc; print(_ferroc.domains())"
    assert output_of(str(folder / "bin" / "python"), "-c", code) == "7\n"


def test_the_active_environment(made):
    env = environment(VIRTUAL_ENV=str(made))
    in_python = report_of(made / "bin" / "python3")
    assert report_of(FERROC_TEST_PYTHON, env=env) == in_python
    code = "import sys; print(sys.executable)"
    assert output_of(FERROC_TEST_PYTHON, "-c", code, env=env) == f"{made}/bin/python3\n"


def test_the_active_environment_with_a_link_in_it(made, tmp_path):
    folder = copy_of(made, tmp_path)
    link = folder / "bin" / os.path.basename(FERROC_TEST_PYTHON)
    link.symlink_to(FERROC_TEST_PYTHON)
    code = "import sys, marker; print(sys.executable)"
    env = environment(VIRTUAL_ENV=str(folder))
    assert output_of(FERROC_TEST_PYTHON, "-c", code, env=env) == f"{link}\n"


def test_isolated_mode_stays_in_the_active_environment(made):
    env = environment(VIRTUAL_ENV=str(made))
    in_python = output_of(str(made / "bin" / "python3"), "-I", "-c", REPORT)
    assert output_of(FERROC_TEST_PYTHON, "-I", "-c", REPORT, env=env) == in_python


def test_a_link_in_one_environment_goes_before_another_active_one(made, tmp_path):
    folder = copy_of(made, tmp_path)
    link = folder / "bin" / "ferroc-python"
    link.symlink_to(FERROC_TEST_PYTHON)
    code = "import sys; print(sys.prefix)"
    assert output_of(str(link), "-c", code, env=environment(VIRTUAL_ENV=str(made))) == f"{folder}\n"


@pytest.mark.parametrize("home", ["/nowhere/bin", "", "\xff" * 5000, None])
def test_an_environment_of_another_interpreter_is_passed_over(home, tmp_path):
    folder = tmp_path / "other"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python3").symlink_to("/bin/false")
    if home is not None:
        (folder / "pyvenv.cfg").write_text(f"home = {home}\nversion = 2.7\n")
    for value in (str(folder), "/nowhere", "relative", "", "/" + "x" * 5000):
        done = run(
            FERROC_TEST_PYTHON,
            "-c",
            "import sys; print(sys.executable, sys.prefix == sys.base_prefix)",
            env=environment(VIRTUAL_ENV=value),
        )
        assert (done.stdout, done.stderr) == (f"{FERROC_TEST_PYTHON} True\n", "")


def test_environments_that_it_makes_are_those_that_python3_makes(tmp_path):
    for program, name in ((FERROC_TEST_PYTHON, "ours"), (PYTHON, "theirs")):
        output_of(program, "-m", "venv", "--without-pip", str(tmp_path / name))
    ours, theirs = (
        sorted(
            (
                str(path.relative_to(tmp_path / name)),
                os.path.realpath(path) if path.is_symlink() else "",
            )
            for path in (tmp_path / name).rglob("*")
        )
        for name in ("ours", "theirs")
    )
    assert [(path, target.replace("/ours", "/theirs")) for path, target in ours] == theirs


def test_started_with_a_link_outside_any_environment(tmp_path):
    link = tmp_path / "link-to-it"
    link.symlink_to(FERROC_TEST_PYTHON)
    code = "import sys, json; print(sys.executable, sys.prefix)"
    prefix = output_of(PYTHON, "-c", "import sys; print(sys.base_prefix)")
    assert output_of(str(link), "-c", code) == f"{link} {prefix}"
