"""Runs one program as a whole process and says what it cost."""

import dataclasses
import json
import os
import subprocess
import tempfile


class BenchError(Exception):
    """Something that the user has to know and can do something about; the message says all of it."""


@dataclasses.dataclass(frozen=True)
class Cost:
    cpu_ms: float
    wall_ms: float
    peak_kib: int
    minor_faults: int
    output: str


def clean_environment():
    """The environment without what would change an allocator or an interpreter behind the benchmark's back."""
    hidden = ("LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_", "MIMALLOC_", "TCMALLOC_", "FERROC_", "LUA_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    kept["PYTHONHASHSEED"] = "0"
    return kept


def run(command, settings):
    """What command prints, without measuring; settings are added to its environment. BenchError if it fails."""
    environment = dict(clean_environment(), **settings)
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise BenchError(_failure(command, settings, result.returncode, result.stderr))
    return result.stdout


def measure(launcher, command, settings):
    """Runs command under the launcher, which is small enough not to show in the child's peak memory."""
    with tempfile.NamedTemporaryFile(prefix="ferroc-bench-") as report:
        assignments = [f"{name}={value}" for name, value in settings.items()]
        result = subprocess.run([launcher, report.name, *assignments, *command], env=clean_environment(),
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BenchError(_failure([launcher, *command], settings, result.returncode, result.stderr))
        usage = json.load(report)
    if usage["exit_code"] != 0:
        raise BenchError(_failure(command, settings, usage["exit_code"], result.stderr))
    return Cost(cpu_ms=(usage["user_us"] + usage["system_us"]) / 1000, wall_ms=usage["wall_ns"] / 1e6,
                peak_kib=usage["peak_kib"], minor_faults=usage["minor_faults"], output=result.stdout)


def _failure(command, settings, code, errors):
    shown = " ".join([f"{name}={value}" for name, value in settings.items()] + list(command))
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{shown}\n  {how}:\n{errors.strip() or '(it wrote nothing to stderr)'}"
