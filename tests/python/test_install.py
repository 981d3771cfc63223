"""ferroc.install() in a running python3: what it takes over, what it refuses, and what it says."""

import re

import pytest
from support import PYTHON, environment, output_of, output_of_code

ALL = "('raw', 'mem', 'obj')\n"


def message_of(code, *options, error="RuntimeError", **keywords):
    """Return the message of the error that the last line of the code raises."""
    *lines, last = code.strip().splitlines()
    program = "\n".join(
        [
            "import ferroc",
            *lines,
            "try:",
            f"    {last}",
            f"except {error} as error:",
            "    print(error)",
        ]
    )
    return output_of_code(PYTHON, program, *options, **keywords)


# -- What is taken over ------------------------------------------------------------------------------


def test_nothing_is_served_before():
    code = "import ferroc; print(ferroc.domains(), ferroc.owns(object()), ferroc.used_memory())"
    assert output_of_code(PYTHON, code) == "() False 0\n"


def test_every_new_byte_string_is_ferrocs():
    code = """
        import ferroc
        old = [bytes(size) for size in range(2, 1000)]
        ferroc.install()
        # One-byte strings exist already, and the empty one.
        sizes = [*range(2, 3000), *range(3000, 1 << 20, 4099), 1 << 20]
        print(all(ferroc.owns(bytes(size)) for size in sizes))
        print(any(map(ferroc.owns, old)))
    """
    assert output_of_code(PYTHON, code) == "True\nFalse\n"


def test_every_kind_of_new_object_is_ferrocs():
    """Each time so many that those which Python made from memory it kept are used up."""
    code = """
        import array, collections, datetime, decimal, fractions, io, ferroc

        class Plain: pass
        class Slots: __slots__ = "a", "b"
        class Derived(dict): pass

        ferroc.install()
        makers = dict(
            object=object, int=lambda: int("9" * 30), float=lambda: float("1.5"), complex=lambda: complex("1j"),
            str=lambda: str(b"x" * 50), wide=lambda: chr(0x20AC) * 50, tuple=lambda: tuple([1, 2, 3]),
            list=lambda: [1, 2], dict=lambda: {1: 2}, set=lambda: {1, 2}, frozenset=lambda: frozenset("ab"),
            bytearray=lambda: bytearray(100), memoryview=lambda: memoryview(b"abc"), slice=lambda: slice(1, 2),
            function=lambda: lambda: None, method=lambda: [].append, generator=lambda: (x for x in ()),
            type=lambda: type("T", (), {}), code=lambda: compile("1", "f", "eval"), plain=Plain, slots=Slots,
            derived=Derived, deque=collections.deque, counter=collections.Counter, error=lambda: ValueError(1),
            array=lambda: array.array("d", [1.0]), date=datetime.datetime.now, io=io.BytesIO,
            decimal=lambda: decimal.Decimal(1) / 3, fraction=lambda: fractions.Fraction(1, 3),
            iterator=lambda: iter([]), range=lambda: range(1000, 2000), enumerate=lambda: enumerate([]),
            property=lambda: property(), module=lambda: type(ferroc)("m"), super=lambda: super(Derived, Derived()),
        )
        for name, make in makers.items():
            kept = [make() for _ in range(500)]
            if not all(map(ferroc.owns, kept[250:])):
                print(name, sum(map(ferroc.owns, kept)))
    """
    assert output_of_code(PYTHON, code) == ""


@pytest.mark.parametrize("function", ["PyMem_RawMalloc", "PyMem_Malloc", "PyObject_Malloc"])
def test_every_new_block_of_a_domain_is_ferrocs(function):
    code = f"""
        import ctypes, ferroc
        ferroc.install()
        malloc = ctypes.pythonapi.{function}
        malloc.restype = ctypes.c_void_p

        def owns(block):
            ctypes.memmove(block, id(object()), 16)  # the head of an object, for ctypes and owns()
            holder = ctypes.pointer(ctypes.c_void_p(block))
            return ferroc.owns(ctypes.cast(holder, ctypes.POINTER(ctypes.py_object))[0])

        sizes = [*range(16, 1100), *(1 << power for power in range(11, 25))]
        print(all(owns(malloc(size)) for size in sizes))
    """
    assert output_of_code(PYTHON, code) == "True\n"


def test_only_the_chosen_domains():
    code = """
        import ferroc
        ferroc.install(["raw"])
        print(ferroc.domains(), ferroc.owns(bytes(100)))
        ferroc.uninstall()
        ferroc.install(("obj",))
        print(ferroc.domains(), ferroc.owns(bytes(100)))
        ferroc.uninstall()
        ferroc.install({"mem", "raw"})
        print(ferroc.domains(), ferroc.owns(bytes(100)))
    """
    assert output_of_code(PYTHON, code) == "('raw',) False\n('obj',) True\n('raw', 'mem') False\n"


def test_uninstall_and_install_again():
    code = """
        import ferroc
        kept = []
        for round in range(5):
            kept.append([b"-" * size for size in range(2, 2000)])
            ferroc.install()
            assert ferroc.domains() == ferroc.DOMAINS
            kept.append([b"-" * size for size in range(2, 2000)])
            ferroc.uninstall()
            assert ferroc.domains() == ()
        print([all(map(ferroc.owns, blocks)) for blocks in kept])
        print([any(map(ferroc.owns, blocks)) for blocks in kept])
        print(all(blocks == kept[0] for blocks in kept))
    """
    alternating = f"{[False, True] * 5}\n"
    assert output_of_code(PYTHON, code) == alternating * 2 + "True\n"


def test_installing_again_for_the_same_domains_changes_nothing():
    code = "import ferroc; ferroc.install(); ferroc.install(); ferroc.install(('mem',)); print(ferroc.domains())"
    assert output_of_code(PYTHON, code) == ALL


def test_used_memory_follows_what_is_kept():
    code = """
        import ferroc
        ferroc.install()
        before = ferroc.used_memory()
        kept = [bytes(1000) for _ in range(10000)]
        print(9_000_000 < ferroc.used_memory() - before < 20_000_000)
        del kept
        print(ferroc.used_memory() - before < 1_000_000)
    """
    assert output_of_code(PYTHON, code) == "True\nTrue\n"


def test_objects_of_the_interpreter_are_not_ferrocs():
    code = "import ferroc; ferroc.install(); print(any(map(ferroc.owns, [None, True, 1, (), '', int, len])))"
    assert output_of_code(PYTHON, code) == "False\n"


@pytest.mark.parametrize("allocator", ["pymalloc", "malloc"])
def test_growing_blocks_of_the_old_allocator(allocator):
    """Reallocations of old blocks stay with the allocator that knows their size."""
    code = """
        import ferroc
        lists, arrays = [[i] for i in range(2000)], [bytearray(b"%d" % i) for i in range(2000)]
        ferroc.install()
        for round in range(3):
            for i, (numbers, text) in enumerate(zip(lists, arrays)):
                numbers.extend(range(i % 97))
                text.extend(b"x" * (i % 601))
            ferroc.uninstall() if round % 2 == 0 else ferroc.install()
        for i, (numbers, text) in enumerate(zip(lists, arrays)):
            assert numbers == [i, *list(range(i % 97)) * 3]
            assert text == b"%d" % i + b"x" * (i % 601) * 3
            del numbers[1:], text[2:]
        print("done")
    """
    assert output_of_code(PYTHON, code, env=environment(PYTHONMALLOC=allocator)) == "done\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing, ferroc

def work(number):
    return [bytes(number) for _ in range(10)], ferroc.domains()

if __name__ == "__main__":
    ferroc.install()
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        results = pool.map(work, range(100))
    print(all(blocks == [bytes(number)] * 10 for number, (blocks, _) in enumerate(results)), results[0][1])
""")
    expected = ALL if method == "fork" else "()\n"
    assert output_of(PYTHON, "-W", "ignore", str(script)) == "True " + expected


def test_threads_that_allocate_while_it_is_installed_and_uninstalled():
    code = """
        import hashlib, sys, threading, ferroc
        sys.setswitchinterval(1e-5)
        stop, failures = threading.Event(), []

        def churn(seed):
            # Compression and hashing give the GIL up and use the raw domain meanwhile.
            import bz2, zlib
            kept = {}
            round = 0
            while not stop.is_set():
                text = (b"%d:%d " % (seed, round)) * 300
                if bz2.decompress(bz2.compress(text)) != text or zlib.decompress(zlib.compress(text)) != text:
                    failures.append(round)
                kept[round % 50] = [text[i:] for i in range(0, 300, 7)]
                if any(block != text[7 * i:] for i, block in enumerate(kept[round % 50])):
                    failures.append(round)
                round += 1

        threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(300):
            ferroc.install()
            kept = [str(number) for number in range(1000)]
            ferroc.uninstall()
            del kept
        stop.set()
        for thread in threads:
            thread.join()
        print(failures)
    """
    assert output_of_code(PYTHON, code) == "[]\n"


def test_the_extension_shows_nothing_but_its_entry():
    """Two copies of ferroc in one process must not find each other's functions."""
    code = """
        import ctypes, ferroc
        module = ctypes.PyDLL(ferroc._ferroc.__file__)
        print([hasattr(module, name) for name in ("PyInit__ferroc", "fe_malloc", "fe_owns", "fe_python_install")])
    """
    assert output_of_code(PYTHON, code) == "[True, False, False, False]\n"


# -- What is refused ---------------------------------------------------------------------------------


def test_unknown_domain():
    message = message_of("ferroc.install(('mem', 'heap'))", error="ValueError")
    assert message == "unknown domain 'heap': allowed are 'raw', 'mem', 'obj'\n"


def test_no_domain():
    message = message_of("ferroc.install(())", error="ValueError")
    assert message == "no domain given: allowed are 'raw', 'mem', 'obj'\n"


def test_a_string_instead_of_a_tuple():
    assert "not the string 'raw'" in message_of("ferroc.install('raw')", error="TypeError")


def test_other_domains_than_those_installed():
    code = """
ferroc.install(("mem",))
ferroc.install(("mem", "obj"))
"""
    assert "uninstall it first" in message_of(code)


def test_uninstall_when_not_installed():
    assert "not installed" in message_of("ferroc.uninstall()")


@pytest.mark.parametrize(
    "options, variables",
    [
        ([], {"PYTHONMALLOC": "debug"}),
        ([], {"PYTHONMALLOC": "malloc_debug"}),
        (["-X", "dev"], {}),
    ],
)
def test_debug_hooks(options, variables):
    message = message_of("ferroc.install()", *options, env=environment(**variables))
    assert "debug hooks" in message and "ferroc-python" in message


def test_tracemalloc_that_traces():
    code = """
import tracemalloc
tracemalloc.start()
ferroc.install()
"""
    message = message_of(code)
    assert "tracemalloc" in message and "stop()" in message
    assert message_of("ferroc.install()", "-X", "tracemalloc") == message


def test_a_refusal_changes_nothing():
    code = """
        import tracemalloc, ferroc
        tracemalloc.start()
        for _ in range(2):
            try:
                ferroc.install()
            except RuntimeError:
                print(ferroc.domains(), ferroc.owns(bytes(100)))
        tracemalloc.stop()
        ferroc.install()
        print(ferroc.domains(), ferroc.owns(bytes(100)))
    """
    assert output_of_code(PYTHON, code) == "() False\n() False\n('raw', 'mem', 'obj') True\n"


def test_tracemalloc_can_start_and_stop_afterwards():
    code = """
        import tracemalloc, ferroc
        ferroc.install()
        kept = []
        for round in range(3):
            tracemalloc.start(3)
            kept.append([bytes(1000) for _ in range(1000)])
            traced, _ = tracemalloc.get_traced_memory()
            assert 1_000_000 < traced < 1_500_000, traced
            assert tracemalloc.get_object_traceback(kept[-1][5])
            assert ferroc.domains() == ferroc.DOMAINS
            if round == 1:
                ferroc.uninstall()
                assert not ferroc.owns(bytes(1000))
                ferroc.install()
            tracemalloc.stop()
            assert ferroc.domains() == ferroc.DOMAINS and ferroc.owns(bytes(1000))
            kept.append([bytes(1000) for _ in range(1000)])
        print(all(map(ferroc.owns, sum(kept, []))))
    """
    assert output_of_code(PYTHON, code) == "True\n"


# -- Its face ----------------------------------------------------------------------------------------


def test_everything_public_is_documented():
    code = """
        import ferroc
        print(sorted(ferroc.__all__))
        print([name for name in ferroc.__all__ if not getattr(ferroc, name).__doc__], bool(ferroc.__doc__))
        print(ferroc.__version__)
    """
    names, undocumented, version = output_of_code(PYTHON, code).splitlines()
    assert names == "['DOMAINS', 'domains', 'install', 'owns', 'uninstall', 'used_memory']"
    assert undocumented == "[] True"
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_stubs_declare_what_there_is():
    code = """
        import ast, inspect, os, ferroc
        with open(os.path.join(os.path.dirname(ferroc.__file__), "__init__.pyi")) as file:
            stubs = ast.parse(file.read())
        declared = {node.name: [arg.arg for arg in node.args.args]
                    for node in stubs.body if isinstance(node, ast.FunctionDef)}
        actual = {name: list(inspect.signature(getattr(ferroc, name)).parameters)
                  for name in ferroc.__all__ if callable(getattr(ferroc, name))}
        print(declared == actual, declared)
        print(os.path.exists(os.path.join(os.path.dirname(ferroc.__file__), "py.typed")))
    """
    lines = output_of_code(PYTHON, code).splitlines()
    assert lines[0].startswith("True"), lines[0]
    assert lines[1] == "True"
