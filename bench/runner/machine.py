"""Facts about the machine and its settings, written beside every set of results."""

import os
import platform
import subprocess

from runner import process, programs


def _first_line(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return None


def _field(path, name):
    """The value of `name : value` in a file of such lines, such as /proc/cpuinfo."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return None


def _distribution():
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip('"')
    except OSError:
        pass
    return None


def facts():
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "processors": os.cpu_count(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "distribution": _distribution(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "transparent_huge_pages": _first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "frequency_governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_before": list(os.getloadavg()),
    }


def versions(peers):
    """{name: version} of everybody who takes part."""
    lua = process.run([programs.built("lua-default"), "-v"], {}).partition("  ")[0]
    found = {"ferroc": process.run([programs.built("core-ferroc"), "version"], {}).strip(),
             "glibc": platform.libc_ver()[1], "Lua": lua.strip().replace("Lua ", ""), "Python": platform.python_version()}
    return dict(found, **{name: version_of_library(library) for name, library in peers.items()})


def version_of_library(path):
    """The version of the Debian package that the file is of, else the file's own name, which often ends with one."""
    file = os.path.realpath(path)
    try:
        package = _say("dpkg-query", "--search", file).partition(": ")[0]
        return _say("dpkg-query", "--show", "--showformat=${Version}", package)
    except (OSError, subprocess.CalledProcessError):
        return os.path.basename(file)


def _say(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
