"""Builds the extension module from the checkout that this folder lies in: pip install ./bindings/python

Everything else about the package is in pyproject.toml.
"""

import atexit
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.egg_info import egg_info

try:
    from setuptools.command.build import build
except ImportError:  # setuptools before 62.4
    from distutils.command.build import build

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FLOORS = ["base", "track", "arena", "slab", "heap", "thread", "stats", "global"]
BARE_METAL = {"freestanding.c", "single.c", "no_environment.c"}  # stand in for others without an operating system


def sources():
    """Return the C files of the core and the binding, relative to this folder."""
    files = [file for floor in FLOORS for file in sorted((ROOT / "core" / floor).glob("*.c"))
             if file.name not in BARE_METAL]
    if not files:
        raise SystemExit(
            f"There is no core of ferroc in {ROOT / 'core'}: this package can only be built inside a "
            "checkout of the whole repository, with pip install ./bindings/python"
        )
    return [f"../../{file.relative_to(ROOT)}" for file in files] + [
        "allocators.c",
        "ferroc_module.c",
        "ferroc_python.c",
    ]


def compile_options():
    """Return the options for a library that a running program loads, as core/defs.bzl has them."""
    options = ["-std=gnu11", "-O2", "-fvisibility=hidden", "-fno-semantic-interposition"]
    if platform.machine() == "x86_64":
        options.append("-mtls-dialect=gnu2")
    return options + ["-ftls-model=global-dynamic", "-fno-plt"]


def version():
    """Return what core/ferroc.h has."""
    header = (ROOT / "core" / "ferroc.h").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^#define FE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))


def scratch(name):
    """Return a new folder that goes with this process: no object of an earlier build is taken, and the checkout stays as it is."""
    folder = tempfile.mkdtemp(prefix=f"ferroc-{name}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class BuildElsewhere(build):
    """Builds in a scratch folder, unless another one is asked for."""

    def initialize_options(self):
        super().initialize_options()
        self.build_base = scratch("build")


class DescribeElsewhere(egg_info):
    """Puts what describes the package there as well; who asks for another place gets that one."""

    def initialize_options(self):
        super().initialize_options()
        self.egg_base = scratch("egg")


class BuildExtension(build_ext):
    """Keeps the object files of the core in the build folder: their sources' paths begin with ../.."""

    def finalize_options(self):
        super().finalize_options()
        self.build_temp = os.path.join(self.build_temp, "bindings", "python")


setup(
    cmdclass={"build": BuildElsewhere, "build_ext": BuildExtension, "egg_info": DescribeElsewhere},
    ext_modules=[
        Extension(
            "ferroc._ferroc",
            sources=sources(),
            include_dirs=[str(ROOT)],
            extra_compile_args=compile_options(),
            extra_link_args=[f"-Wl,--version-script={HERE / 'ferroc_module.lds'}"],
            libraries=["pthread"],
        )
    ],
    version=version(),
)
