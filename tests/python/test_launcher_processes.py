"""Child processes of ferroc-python run, and run in ferroc-python where they are started by sys.executable."""

import shutil

import pytest
from support import FERROC_TEST_PYTHON, environment, output_of, output_of_code, run

POOL = """
import multiprocessing, sys
import _ferroc


def work(number):
    return number * number, _ferroc.domains(), len(bytes(number * 1000))


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        results = pool.map(work, range(50))
    assert results == [(number * number, 7, number * 1000) for number in range(50)], results
    queue = context.Queue()
    process = context.Process(target=queue.put, args=({"data": list(range(1000))},))
    process.start()
    assert queue.get() == {"data": list(range(1000))}
    process.join()
    print(process.exitcode)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    assert output_of(FERROC_TEST_PYTHON, "-W", "ignore", str(script), method) == "0\n"


def test_subprocess_with_sys_executable():
    code = """
        import subprocess, sys
        print(subprocess.check_output([sys.executable, "-c", "import _ferroc; print(_ferroc.domains())"]))
    """
    assert output_of_code(FERROC_TEST_PYTHON, code) == r"b'7\n'" + "\n"


def test_executors():
    code = """
        import concurrent.futures, math
        for kind in (concurrent.futures.ProcessPoolExecutor, concurrent.futures.ThreadPoolExecutor):
            with kind(3) as executor:
                print(list(executor.map(math.factorial, range(6))))
    """
    assert output_of_code(FERROC_TEST_PYTHON, code, "-W", "ignore") == "[1, 1, 2, 6, 24, 120]\n" * 2


@pytest.mark.parametrize("threads", [0, 4])
def test_fork_while_threads_allocate(threads):
    code = f"""
        import os, threading
        stop = threading.Event()

        def churn():
            kept = []
            while not stop.is_set():
                kept.append([bytes(i) for i in range(200)])
                del kept[:-20]

        workers = [threading.Thread(target=churn) for _ in range({threads})]
        for worker in workers:
            worker.start()
        before_fork = [str(i) * 10 for i in range(10000)]
        for round in range(20):
            child = os.fork()
            if child == 0:
                after_fork = [text + "!" for text in before_fork]
                del before_fork
                os._exit(0 if after_fork[-1] == "9999" * 10 + "!" else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for worker in workers:
            worker.join()
        print("done")
    """
    assert output_of_code(FERROC_TEST_PYTHON, code, "-W", "ignore") == "done\n"


def test_asyncio_with_subprocesses():
    code = """
        import asyncio, sys

        async def child(number):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", f"print({number} + 1)", stdout=asyncio.subprocess.PIPE)
            return int((await process.communicate())[0])

        async def main():
            print(await asyncio.gather(*map(child, range(4))))

        asyncio.run(main())
    """
    assert output_of_code(FERROC_TEST_PYTHON, code) == "[1, 2, 3, 4]\n"


def test_under_bazel_run_paths_are_those_of_the_user_s_folder(tmp_path):
    """`bazel run` starts a program in the folder of its runfiles; a child that stands elsewhere stays there."""
    program = tmp_path / "ferroc-python"
    shutil.copy(FERROC_TEST_PYTHON, program)
    runfiles = tmp_path / "ferroc-python.runfiles" / "ferroc"
    runfiles.mkdir(parents=True)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "script.py").write_text("import os, sys; print(os.getcwd(), sys.argv)")
    env = environment(BUILD_WORKING_DIRECTORY=str(tmp_path / "user"))
    expected = f"{tmp_path}/user ['script.py', 'a']\n"
    assert output_of(str(program), "script.py", "a", cwd=runfiles, env=env) == expected
    assert run(str(program), "script.py", "a", cwd=tmp_path, env=env).returncode == 2
