"""Runs what is counted and not timed on all processors at once."""

import concurrent.futures
import os
import threading


def run(tasks, progress):
    """The results of all tasks in their order. tasks: (label, function without arguments). The first error ends it all."""
    lock = threading.Lock()

    def do(task):
        label, function = task
        with lock:
            progress.show(label)
        result = function()
        with lock:
            progress.advance()
        return result

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(do, task) for task in tasks]
        try:
            results = [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    progress.finish()
    return results
