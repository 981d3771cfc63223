"""A copy of the tree whose test programs are made without Bazel: each object file once, and for a mutation those anew that
the changed file goes into.

What to compile, and with which options, is read from the BUILD files, which are Python enough for that.
"""

import ast
import builtins
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mutations import Mistake

FLOORS = ("base", "track", "arena", "slab", "heap", "thread", "stats", "global", "cxx")
OVERRIDE = "override"
TEST_FOLDERS = ("tests/core", "tests/stress", "tests/override")

# As .bazelrc and Bazel's debug build have them.
LANGUAGE = {".c": ["-std=gnu11"], ".cc": ["-std=c++17"]}
OPTIONS = ["-fPIC", "-fno-omit-frame-pointer", "-fstack-protector", "-I."]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
LIBRARIES = ["-Wl,--as-needed", "-lcmocka", "-ldl", "-lpthread"]


class DoesNotCompile(Exception):
    """What the compiler said."""


class _Nothing:
    """What BUILD files call and this file does not need."""

    def __call__(self, *arguments, **keywords):
        return self

    def __getattr__(self, name):
        return self

    def __add__(self, other):
        return other


def evaluate(path, **functions):
    """The names that a BUILD or .bzl file defines, after it has called these functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not hasattr(builtins, node.id)}
    scope = {name: _Nothing() for name in names} | functions
    exec(compile(tree, str(path), "exec"), scope)  # pylint: disable=exec-used
    return scope


@dataclass
class Library:
    """A cc_library of tests."""

    srcs: list


@dataclass
class Program:
    """A test program."""

    label: str
    srcs: list
    copts: list
    linkopts: list
    is_override: bool
    size: str
    plugins: list = field(default_factory=list)  # shared libraries, as paths without their .so


def label_in(folder, name):
    """The full label, //folder:name, of what a BUILD file calls name."""
    if name.startswith(":"):
        return f"//{folder}{name}"
    return name if name.startswith("//") else f"//{folder}:{name}"


def read_build(tree, folder, libraries):
    """The test programs of a folder that can be made without Bazel, and the names of its tests that cannot."""
    programs, left_out, plugins = [], [], {}

    def paths(srcs):
        return [f"{folder}/{src}" for src in srcs]

    def cc_library(name, srcs=(), **_):
        libraries[label_in(folder, name)] = Library(paths(src for src in srcs if not src.endswith(".h")))

    def cc_binary(name, srcs=(), linkshared=False, deps=(), **_):
        if linkshared and srcs and not deps:
            plugins[label_in(folder, name)] = paths(srcs)

    def fe_cc_test(name, srcs, size="small", deps=(), data=(), copts=(), linkopts=(), malloc="", **_):
        needed = [label_in(folder, label) for label in data]
        if any(":" in src for src in srcs) or any(label not in plugins for label in needed):
            left_out.append(label_in(folder, name))
            return
        # All of the core is in each program.
        own = [libraries[label_in(folder, dep)].srcs for dep in deps if not dep.startswith(("@", "//core"))]
        programs.append(
            Program(
                label_in(folder, name),
                paths(srcs) + [src for srcs in own for src in srcs],
                list(copts),
                list(linkopts),
                malloc != "",
                size,
                [plugins[label] for label in needed],
            )
        )

    def other_test(name, **_):
        left_out.append(label_in(folder, name))

    evaluate(
        tree / folder / "BUILD",
        cc_library=cc_library,
        cc_binary=cc_binary,
        fe_cc_test=fe_cc_test,
        fe_py_test=other_test,
        sh_test=other_test,
    )
    return programs, left_out


def floor_of(tree, floor):
    """The sources of a floor of the core, and its options."""
    options = evaluate(tree / "core/defs.bzl")
    found = {}

    def fe_floor(freestanding=(), copts=(), **_):
        found["but"] = freestanding
        found["copts"] = list(copts)

    evaluate(tree / "core" / floor / "BUILD", fe_floor=fe_floor)
    folder = tree / "core" / floor
    srcs = sorted(path for path in folder.iterdir() if path.suffix in LANGUAGE and path.name not in found["but"])
    flags = options["_FLAGS"] + found["copts"] + options["_TLS_AT_START"] + WARNINGS
    return [str(path.relative_to(tree)) for path in srcs], flags


def compiler_for(source):
    return os.environ.get("CXX", "c++") if source.endswith(".cc") else os.environ.get("CC", "cc")


def cmocka_options():
    prefix = os.environ.get("CMOCKA_DIR")
    if prefix is None:
        return []
    return [f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib"]


class Tree:
    """The copy, in a folder of its own."""

    def __init__(self, workspace, folder, jobs):
        self.root = Path(folder) / "tree"
        self.made = Path(folder) / "made"
        self.jobs = jobs
        self.flags = {}  # by source
        self.programs = []
        self.left_out = []
        self._copy(Path(workspace))
        self._read()

    def _copy(self, workspace):
        """A file that has not changed keeps its date, and so its object."""
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("core", *TEST_FOLDERS):
            shutil.copytree(workspace / name, self.root / name)

    def _read(self):
        self.floors = {}
        for floor in (*FLOORS, OVERRIDE):
            self.floors[floor], flags = floor_of(self.root, floor)
            self.flags.update({source: flags for source in self.floors[floor]})
        libraries = {}
        for folder in TEST_FOLDERS:
            programs, left_out = read_build(self.root, folder, libraries)
            self.programs += programs
            self.left_out += left_out
        for program in self.programs:
            self.flags.update({source: program.copts + cmocka_options() for source in program.srcs})

    # -- Objects --

    def _object(self, source, kind):
        return self.made / kind / (source + ".o")

    def _compile(self, source, kind):
        target = self._object(source, kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        suffix = Path(source).suffix
        command = [compiler_for(source), *OPTIONS, *LANGUAGE[suffix], *self.flags[source]]
        command += ["-MMD", "-MF", str(target.with_suffix(".d")), "-c", source, "-o", str(partial)]
        answer = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise DoesNotCompile(answer.stderr)
        partial.replace(target)

    def _is_up_to_date(self, source):
        target = self._object(source, "plain")
        if not target.exists():
            return False
        date = target.stat().st_mtime
        paths = [self.root / path for path in self.inputs_of(source)]
        return all(path.exists() and path.stat().st_mtime <= date for path in paths)

    def inputs_of(self, source):
        """The files that an object is made of, as the compiler noted them."""
        text = self._object(source, "plain").with_suffix(".d").read_text(encoding="utf-8")
        return text.replace("\\\n", " ").split(":", 1)[1].split()

    def _compile_all(self, sources, kind):
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda source: self._compile(source, kind), sources))

    def make_objects(self, programs):
        """All objects that these programs need, without a mutation."""
        sources = {source for program in programs for source in self.sources_of(program)}
        try:
            self._compile_all(sorted(source for source in sources if not self._is_up_to_date(source)), "plain")
        except DoesNotCompile as mistake:
            raise Mistake(f"the tree does not compile as it is:\n{mistake}") from mistake
        for program in programs:
            for plugin in program.plugins:
                self._make_plugin(plugin)

    def _make_plugin(self, srcs):
        command = [compiler_for(srcs[0]), "-shared", *OPTIONS, *srcs, "-o", str(Path(srcs[0]).with_suffix(".so"))]
        subprocess.run(command, cwd=self.root, check=True)

    def sources_of(self, program):
        floors = (*FLOORS, OVERRIDE) if program.is_override else FLOORS
        return [source for floor in floors for source in self.floors[floor]] + program.srcs

    # -- Programs --

    def link(self, program, mutated=()):
        """The path of the program, with the mutated objects of some sources."""
        kind = "mutated" if mutated else "plain"
        target = self.made / kind / re.sub(r"\W", "_", program.label.strip("/"))
        sources = self.sources_of(program)
        objects = [str(self._object(source, "mutated" if source in mutated else "plain")) for source in sources]
        is_cxx = any(source.endswith(".cc") for source in program.srcs)
        command = [compiler_for(".cc" if is_cxx else ".c"), *objects, "-o", str(target), *program.linkopts]
        command += [*cmocka_options(), *LIBRARIES]
        answer = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise DoesNotCompile(f"error: {program.label} does not link\n{answer.stderr}")
        return target

    def mutate(self, mutation):
        """Compiles what the change goes into, and leaves the copy as it was. Returns these sources."""
        path = self.root / mutation.file
        text = path.read_text(encoding="utf-8")
        dates = path.stat()
        sources = [
            source
            for source in self.flags
            if self._object(source, "plain").exists() and mutation.file in self.inputs_of(source)
        ]
        shutil.rmtree(self.made / "mutated", ignore_errors=True)
        try:
            path.write_text(mutation.put_into(text), encoding="utf-8")
            self._compile_all(sources, "mutated")
        finally:
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
        return set(sources)
