"""A progress bar on stderr; silent where stderr is no terminal."""

import shutil
import sys
import time


class Progress:
    WIDTH = 24

    def __init__(self, steps, stream=None, clock=time.monotonic):
        self._steps = steps
        self._done = 0
        self._stream = stream or sys.stderr
        self._clock = clock
        self._start = clock()
        self._is_shown = self._stream.isatty()

    def show(self, label):
        if not self._is_shown:
            return
        filled = self.WIDTH * self._done // self._steps
        bar = "#" * filled + "." * (self.WIDTH - filled)
        line = f"[{bar}] {100 * self._done // self._steps:3d} %{self._left()}  {label}"
        columns = shutil.get_terminal_size().columns - 1
        self._stream.write("\r\033[K" + line[:columns])
        self._stream.flush()

    def advance(self):
        self._done += 1

    def finish(self):
        if self._is_shown:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _left(self):
        if self._done == 0:
            return ""
        seconds = (self._clock() - self._start) * (self._steps - self._done) / self._done
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"
