"""What ``python3 -m ferroc`` does: installs ferroc, then runs a program as ``python3`` would."""

import builtins
import io
import os
import pkgutil
import runpy
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader

import ferroc

NAME = "python3 -m ferroc"

USAGE = f"""\
usage: {NAME} [--domains LIST] (FILE | -c CODE | -m MODULE | -) [ARGUMENT ...]

Runs a Python program with its memory in ferroc heaps, from the program's first line on.

  FILE            a script, or a folder or zip file with a __main__.py
  -c CODE         a program given as text
  -m MODULE       a module of the import path
  -               a program read from standard input
  --domains LIST  the domains that ferroc serves, with commas between them (default: {",".join(ferroc.DOMAINS)})
  --version       print ferroc's version
  -h, --help      print this text

Options of Python itself go before -m: python3 -X utf8 -m ferroc FILE. Child processes that run
python3 run without ferroc; the program ferroc-python also covers those, and Python's own start.
"""


def fail(message):
    """End with the exit code that Python has for command lines it does not understand."""
    print(f"{NAME}: {message}", file=sys.stderr)
    sys.exit(2)


def parse(arguments):
    """Return the domains, the kind of program ('file', '-c', '-m' or '-'), and its arguments.

    The first of these arguments is the file, code or module.
    """
    domains = ferroc.DOMAINS
    rest = list(arguments)
    while rest:
        option, equals, value = rest[0].partition("=")
        if option in ("-h", "--help"):
            sys.stdout.write(USAGE)
            sys.exit(0)
        elif option == "--version":
            print(f"ferroc {ferroc.__version__}")
            sys.exit(0)
        elif option == "--domains":
            if not equals and len(rest) < 2:
                fail("--domains needs a list, for instance --domains mem,obj")
            domains = (value if equals else rest.pop(1)).split(",")
            rest.pop(0)
        elif rest[0] in ("-c", "-m"):
            if len(rest) < 2:
                fail(f"{rest[0]} needs an argument (see {NAME} --help)")
            return domains, rest[0], rest[1:]
        elif rest[0] == "-":
            return domains, "-", rest
        elif rest[0].startswith("-"):
            fail(f"unknown option {rest[0]} (see {NAME} --help)")
        else:
            return domains, "file", rest
    fail(f"no program given (see {NAME} --help)")


def install(domains):
    """Install ferroc, or end with a message that says why it cannot be."""
    try:
        ferroc.install(domains)
    except ValueError as error:
        fail(error)
    except RuntimeError as error:
        sys.exit(f"{NAME}: {error}")


def has_folder_in_path():
    """Whether sys.path starts with the folder that Python put there for ``-m ferroc``."""
    return not getattr(sys.flags, "safe_path", sys.flags.isolated)


def set_path(folder):
    """Put the program's folder where Python would have put it."""
    if has_folder_in_path():
        sys.path[0] = folder


def new_main(**attributes):
    """Empty the module __main__ for the program: pickle and multiprocessing look there."""
    namespace = sys.modules["__main__"].__dict__
    namespace.clear()
    namespace.update(
        {
            "__name__": "__main__",
            "__doc__": None,
            "__package__": None,
            "__loader__": BuiltinImporter,
            "__spec__": None,
            "__builtins__": builtins,
        },
        **attributes,
    )
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    return namespace


def run_code(code):
    """Run the text of -c."""
    set_path("")
    sys.argv[0] = "-c"
    exec(compile(code, "<string>", "exec", dont_inherit=True), new_main())


def run_stdin():
    """Run the program that comes from standard input."""
    set_path("")
    sys.argv[0] = "-"
    source = sys.stdin.buffer.read()
    exec(
        compile(source, "<stdin>", "exec", dont_inherit=True),
        new_main(__file__="<stdin>", __cached__=None),
    )


def run_module(name):
    """Run a module as python3 -m does."""
    sys.argv[0] = "-m"
    new_main()
    runpy._run_module_as_main(name)


def run_archive(path):
    """Run the __main__ module of a folder or zip file, which comes first in the import path."""
    sys.path[: has_folder_in_path()] = [os.path.abspath(path)]
    new_main()
    runpy._run_module_as_main("__main__", alter_argv=False)


def read_script(path):
    """Return the code of a source file or a compiled one."""
    try:
        with io.open_code(path) as file:
            code = pkgutil.read_code(file)
            if code is None:
                file.seek(0)
                code = compile(file.read(), path, "exec", dont_inherit=True)
            return code
    except OSError as error:
        fail(f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}")


def run_file(path):
    """Run a script, or a folder or zip file that can be imported from."""
    if pkgutil.get_importer(path) is not None:
        run_archive(path)
        return
    full_path = os.path.join(os.getcwd(), path)
    code = read_script(full_path)
    set_path(os.path.dirname(os.path.realpath(path)))
    loader = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
    exec(
        code,
        new_main(__file__=full_path, __cached__=None, __loader__=loader("__main__", full_path)),
    )


def main(arguments):
    """Run the program that the arguments name; sys.argv becomes what it expects."""
    domains, kind, program = parse(arguments)
    install(domains)
    sys.argv[:] = program
    if kind == "-c":
        run_code(program[0])
    elif kind == "-m":
        run_module(program[0])
    elif kind == "-":
        run_stdin()
    else:
        run_file(program[0])
