"""A program that was not made for it gives memory back while it sleeps, with FERROC_BACKGROUND_PURGE=1."""

import json

from preloading import Runner, need

# All objects come from malloc. The child of a fork has no threads but its own.
SCRIPT = r"""
import json, os, sys, time, warnings
warnings.simplefilter("ignore")

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20

def threads():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]

def peak_and_sleep():
    blocks = [bytes(50 + i % 3000) for i in range(80000)]
    peak = resident()
    del blocks
    for _ in range(100):
        time.sleep(0.1)
        if resident() < peak // 3:
            break
    return {"peak": peak, "after": resident(), "threads": threads()}

results = [peak_and_sleep()]
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, json.dumps(peak_and_sleep()).encode())
    os._exit(0)
os.wait()
results.append(json.loads(os.read(reader, 10000)))
print(json.dumps(results))
"""


def run_script(tmp_path, value):
    need("/usr/bin/python3", "python3")
    folder = tmp_path / "work"
    folder.mkdir()
    run = Runner(folder, True)
    environment = {"PYTHONMALLOC": "malloc", "FERROC_BACKGROUND_PURGE": value}
    return json.loads(run("/usr/bin/python3", "-c", SCRIPT, env=environment))


def test_python_gives_memory_back_while_it_sleeps(tmp_path):
    for result in run_script(tmp_path, "1"):
        assert result["peak"] > 100
        assert result["after"] < result["peak"] // 3
        assert result["threads"].count("ferroc-purge") == 1


def test_without_the_option_there_is_one_thread(tmp_path):
    for result in run_script(tmp_path, "0"):
        assert len(result["threads"]) == 1
