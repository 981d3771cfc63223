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


def installed_library(variable):
    name = sysconfig.get_config_var(variable) or ""
    for folder in (sysconfig.get_config_var("LIBPL"), sysconfig.get_config_var("LIBDIR")):
        path = os.path.join(folder or "", name)
        if name and os.path.isfile(path):
            return os.path.realpath(path)
    return None


def is_elsewhere(library):
    """Whether it is an archive of the interpreter's build that was not installed, as with Debian's Python 3.13; in its 3.14
    only the backslashes between their names are left."""
    return library == "\\" or library.endswith(".a") and not os.path.isfile(library)


def is_position_independent(path):
    """Whether the ELF program may be loaded anywhere; a static libpython is built like its program."""
    with open(path, "rb") as program:
        header = program.read(18)
    elf_type_shared = 3
    return int.from_bytes(header[16:18], sys.byteorder) == elf_type_shared


def main():
    variables = sysconfig.get_config_vars()
    libraries = " ".join(variables.get(name) or "" for name in ("MODLIBS", "LIBS", "SYSLIBS")).split()
    shared_library = linked_libpython()
    static_library = installed_library("LIBRARY")
    if not shared_library and (not static_library or any(map(is_elsewhere, libraries))):
        static_library = None
        if variables.get("Py_ENABLE_SHARED"):
            shared_library = installed_library("LDLIBRARY")
    json.dump(
        {
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "version": "%d.%d" % sys.version_info[:2],
            "free_threaded": bool(variables.get("Py_GIL_DISABLED")),
            "include": sysconfig.get_path("include"),
            "extension_suffix": variables["EXT_SUFFIX"],
            "shared_library": shared_library,
            "static_library": static_library,
            "static_library_name": variables.get("LIBRARY"),
            "position_independent": is_position_independent(os.path.realpath(sys.executable)),
            "libraries": libraries,
        },
        sys.stdout,
    )


main()
