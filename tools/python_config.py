"""Prints as JSON how the CPython that runs this is built, for the repository rule in python.bzl."""

import json
import os
import platform
import sys
import sysconfig


def linked_libpython():
    """The shared libpython that this process runs on, or None.

    Py_ENABLE_SHARED does not tell: Debian's says 1, and its interpreter holds libpython itself.
    """
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if os.path.basename(path).startswith("libpython%d.%d" % sys.version_info[:2]):
                return "/" + path
    return None


def static_libpython():
    name = sysconfig.get_config_var("LIBRARY") or ""
    for folder in (sysconfig.get_config_var("LIBPL"), sysconfig.get_config_var("LIBDIR")):
        path = os.path.join(folder or "", name)
        if name and os.path.isfile(path):
            return path
    return None


def is_position_independent(path):
    """Whether the ELF program may be loaded anywhere; a static libpython is built like its program."""
    with open(path, "rb") as program:
        header = program.read(18)
    elf_type_shared = 3
    return int.from_bytes(header[16:18], sys.byteorder) == elf_type_shared


def main():
    variables = sysconfig.get_config_vars()
    libraries = [variables.get(name) or "" for name in ("MODLIBS", "LIBS", "SYSLIBS")]
    json.dump(
        {
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "version": "%d.%d" % sys.version_info[:2],
            "free_threaded": bool(variables.get("Py_GIL_DISABLED")),
            "include": sysconfig.get_path("include"),
            "extension_suffix": variables["EXT_SUFFIX"],
            "shared_library": linked_libpython(),
            "static_library": static_libpython(),
            "static_library_name": variables.get("LIBRARY"),
            "position_independent": is_position_independent(os.path.realpath(sys.executable)),
            "libraries": " ".join(libraries).split(),
        },
        sys.stdout,
    )


main()
