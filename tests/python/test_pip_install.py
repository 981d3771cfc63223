"""pip install of the checkout's bindings/python, as the README says. Needs a network: pip fetches setuptools."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from support import environment, output_of, run

#: The checkout: Bazel's tests run among links to it.
CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(name="checkout")
def copy_of_the_checkout(tmp_path):
    for folder in ("core", "bindings/python"):
        shutil.copytree(CHECKOUT / folder, tmp_path / "checkout" / folder)
    return tmp_path / "checkout"


@pytest.fixture(name="pip")
def pip_of_a_new_environment(tmp_path):
    folder = tmp_path / "environment"
    output_of(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    return python, [python, "-m", "pip", "install", "--quiet"]


def test_the_installed_package_works(checkout, pip, tmp_path):
    python, install = pip
    env = environment(PYTHONPATH=None)
    output_of(*install, "./bindings/python", cwd=checkout, env=env)
    code = "import ferroc; ferroc.install(); print(ferroc.owns(bytes(100)), ferroc.__file__)"
    is_owned, file = output_of(python, "-c", code, cwd=tmp_path, env=env).split()
    assert is_owned == "True"
    assert file.startswith(str(tmp_path / "environment"))
    assert Path(file).with_name("py.typed").exists()
    assert Path(file).with_name("__init__.pyi").exists()
    assert "usage" in output_of(python, "-m", "ferroc", "--help", cwd=tmp_path, env=env)


def test_building_leaves_no_files(checkout, pip):
    before = set(checkout.rglob("*"))
    _, install = pip
    output_of(*install, "./bindings/python", cwd=checkout, env=environment(PYTHONPATH=None))
    assert set(checkout.rglob("*")) == before


def test_a_header_that_changed_is_compiled_anew(checkout, pip, tmp_path):
    """The version is such a change: it comes from core/ferroc.h."""
    python, install = pip
    env = environment(PYTHONPATH=None)
    header = checkout / "core" / "ferroc.h"
    code = "import ferroc, importlib.metadata; print(ferroc.__version__, importlib.metadata.version('ferroc'))"
    for patch in (7, 8):
        text = re.sub(r"(?m)^(#define FE_VERSION_PATCH) .*$", rf"\g<1> {patch}", header.read_text())
        header.write_text(text)
        output_of(*install, "--force-reinstall", "./bindings/python", cwd=checkout, env=env)
        ours, told = output_of(python, "-c", code, cwd=tmp_path, env=env).split()
        assert ours == told
        assert ours.endswith(f".{patch}")


def test_without_the_core_the_message_says_what_to_do(checkout, pip):
    shutil.rmtree(checkout / "core")
    _, install = pip
    done = run(*install, "./bindings/python", cwd=checkout, env=environment(PYTHONPATH=None))
    assert done.returncode != 0
    assert "pip install ./bindings/python" in done.stdout + done.stderr
