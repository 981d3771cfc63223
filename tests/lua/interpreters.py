"""The two interpreters that the tests compare: ferroc-lua and the machine's own lua 5.4.

Both are run under the name "lua", so that messages and the table arg are the same to the letter.
"""

import dataclasses
import errno
import functools
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

FERROC_TEST_LUA = os.environ["FERROC_TEST_LUA"]

# How long a program may take before the test gives up on it.
PATIENCE_S = 30

# What ferroc-lua prints after Lua's own version line.
VERSION_LINE = "Memory: ferroc, a private heap for the state\n"


@functools.cache
def reference_lua():
    """The path of the lua to compare with: $LUA, else lua5.4 or lua."""
    path = os.environ.get("LUA") or shutil.which("lua5.4") or shutil.which("lua")
    if path is None:
        raise FileNotFoundError(
            "These tests compare ferroc-lua with lua 5.4, which was not found. "
            "Install it (Debian: apt-get install lua5.4) or set LUA to its path."
        )
    version = subprocess.run([path, "-v"], capture_output=True, text=True).stdout
    if not version.startswith("Lua 5.4."):
        raise FileNotFoundError(f"{path} is not lua 5.4 but says: {version or 'nothing'}")
    return path


def environment(changes):
    """What both programs see: nothing of the caller's that could change their ways."""
    return {"PATH": os.environ["PATH"], "TERM": "dumb", "INPUTRC": "/dev/null", "HOME": "/", **changes}


@dataclasses.dataclass
class Outcome:
    exit_code: int
    stdout: str
    stderr: str


def comparable(output):
    """The text without what differs from run to run: addresses, and how deep a stack could grow."""
    text = re.sub("0x[0-9a-f]+", "0x", output.decode())
    return re.sub(r"skipping \d+ levels", "skipping levels", text)


def run(program, arguments, cwd, stdin="", env=None):
    """Runs an interpreter to its end."""
    done = subprocess.run(
        ["lua", *arguments],
        executable=program,
        input=stdin.encode(),
        capture_output=True,
        cwd=cwd,
        env=environment(env or {}),
        timeout=PATIENCE_S,
    )
    return Outcome(done.returncode, comparable(done.stdout), comparable(done.stderr))


def run_ferroc(*arguments, **options):
    """As run, without the line that only ferroc-lua prints."""
    outcome = run(FERROC_TEST_LUA, *arguments, **options)
    outcome.stdout = outcome.stdout.replace(VERSION_LINE, "", 1)
    return outcome


def run_both(*arguments, **options):
    """What ferroc-lua does and what lua does."""
    return run_ferroc(*arguments, **options), run(reference_lua(), *arguments, **options)


def _proc(pid, name):
    with open(f"/proc/{pid}/{name}") as file:
        return file.read()


def _wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the program does not do what the test waits for"
        time.sleep(0.005)


def _state_and_ticks(pid):
    """A process's state, such as "S", and the time that it has computed so far."""
    fields = _proc(pid, "stat").rsplit(")", 1)[1].split()
    return fields[0], int(fields[11])


def wait_until_sleeping(pid):
    """Until the process waits for something in the kernel."""
    _wait_until(lambda: _state_and_ticks(pid)[0] == "S")


def wait_until_busy(pid):
    """Until the process has computed for some more clock ticks."""
    enough = _state_and_ticks(pid)[1] + 3
    _wait_until(lambda: _state_and_ticks(pid)[1] >= enough)


def wait_until_handled(pid, number):
    """Until the handler of a signal, which is for one time, has run and is gone."""
    mask = 1 << (number - 1)
    caught = re.compile(r"SigCgt:\s*([0-9a-f]+)")
    _wait_until(lambda: not int(caught.search(_proc(pid, "status"))[1], 16) & mask)


class Terminal:
    """An interpreter at a terminal of its own."""

    def __init__(self, program, arguments, cwd):
        self.screen = ""
        self.sent_at = 0  # what was on the screen when something was typed last
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(program, ["lua", *arguments], environment({}))

    def _read(self):
        """Appends what has come to the screen; False when the program has gone."""
        if not select.select([self.descriptor], [], [], PATIENCE_S)[0]:
            raise TimeoutError(f"nothing more has come after: {self.screen!r}")
        try:
            data = os.read(self.descriptor, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        self.screen += data.decode().replace("\r", "")
        return data != b""

    def wait_for(self, text):
        """Waits until the text is the end of what has come since something was typed."""
        while not self.screen[self.sent_at :].endswith(text):
            if not self._read():
                raise EOFError(f"the program ended before {text!r}: {self.screen!r}")

    def send(self, text):
        self.sent_at = len(self.screen)
        os.write(self.descriptor, text.encode())

    def finish(self):
        """Waits for the end of the program; returns its exit code, negative for a signal."""
        while self._read():
            pass
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Background:
    """An interpreter that runs a program and gets signals."""

    def __init__(self, program, arguments, cwd):
        self.process = subprocess.Popen(
            ["lua", *arguments],
            executable=program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=environment({}),
            restore_signals=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.pid = self.process.pid

    def wait_for_line(self):
        assert self.process.stdout.readline() != ""

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        return Outcome(self.process.returncode, stdout, stderr)
