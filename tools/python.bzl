"""Repository rules for the CPython that ferroc is built for and tested with.

The interpreter is $PYTHON (a full path or a name on the PATH), else python3.

@python//:headers   Python.h, for extension modules.
@python//:embed     Python.h and libpython, linked the way the interpreter itself is: the shared
                    libpython with its folder as run path, or the whole static one. (Debian's static
                    ones from 3.13 on are not whole; then it is the shared one.)
@python//:path.sh   PYTHON=... for a shell script to read.
@python//:defs.bzl  PYTHON (path of the interpreter), PYTHON_VERSION ("3.11"),
                    PYTHON_EXTENSION_SUFFIX (".cpython-311-x86_64-linux-gnu.so").
@python_test//:site The packages of python_test_requirements.txt, installed by pip if the interpreter
                    does not have them; looked at only when a test needs them.
@python_charts//:site The same for python_chart_requirements.txt.
"""

_HELP = """{why}.
Choose another interpreter by the environment variable PYTHON (for instance PYTHON=/usr/bin/python3),
or install what is missing (Debian: apt-get install python3-dev, for /usr/bin/python3)."""

_BUILD = """
load("@rules_cc//cc:cc_import.bzl", "cc_import")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

exports_files(["path.sh"])

cc_library(
    name = "headers",
    hdrs = glob(["include/**/*.h"]),
    includes = ["include"],
)
{library}
cc_library(
    name = "embed",
    linkopts = {linkopts},
    deps = {deps},
)
"""

_STATIC_LIBRARY = """
# Extension modules expect the whole of Python's API in the program that loads them.
cc_import(
    name = "static",
    alwayslink = 1,
    static_library = "{file}",
)
"""

_DEFS = """
PYTHON = "{executable}"
PYTHON_VERSION = "{version}"
PYTHON_EXTENSION_SUFFIX = "{extension_suffix}"
"""

def _fail(why):
    fail(_HELP.format(why = why))

def _ask_interpreter(repository_ctx):
    """How the chosen interpreter is built: what tools/python_config.py prints."""
    name = repository_ctx.os.environ.get("PYTHON") or "python3"
    program = repository_ctx.path(name) if name.startswith("/") else repository_ctx.which(name)
    if not program or not program.exists:
        _fail("The Python interpreter %s was not found" % name)
    script = repository_ctx.path(Label("//tools:python_config.py"))
    answer = repository_ctx.execute([program, script])
    if answer.return_code != 0 or not answer.stdout.startswith("{"):
        _fail("%s did not tell how it is built: %s" % (program, answer.stderr.strip()))
    config = json.decode(answer.stdout)
    if config["implementation"] != "CPython":
        _fail("%s is %s; ferroc needs CPython" % (program, config["implementation"]))
    major, minor = [int(part) for part in config["version"].split(".")]
    if (major, minor) < (3, 9):
        _fail("%s is Python %s; ferroc needs 3.9 or later" % (program, config["version"]))
    return config

def _python_repository_impl(repository_ctx):
    config = _ask_interpreter(repository_ctx)
    if not repository_ctx.path(config["include"] + "/Python.h").exists:
        _fail("%s has no headers: there is no %s/Python.h" % (config["executable"], config["include"]))
    repository_ctx.symlink(config["include"], "include")

    linkopts = ["-Wl,-export-dynamic", "-lpthread"]
    deps = [":headers"]
    library = ""
    if config["shared_library"]:
        folder, _, file = config["shared_library"].rpartition("/")
        linkopts += ["-L" + folder, "-l:" + file, "-Wl,-rpath," + folder]
    elif config["static_library"]:
        repository_ctx.symlink(config["static_library"], "libpython.a")
        library = _STATIC_LIBRARY.format(file = "libpython.a")
        deps.append(":static")
        linkopts += config["libraries"]
        if not config["position_independent"]:
            linkopts.append("-no-pie")
    else:
        _fail("%s holds libpython itself, and its static library %s is not on this machine, or not whole" %
              (config["executable"], config["static_library_name"]))
    repository_ctx.file("BUILD", _BUILD.format(
        library = library,
        linkopts = repr(linkopts),
        deps = repr(deps),
    ))
    repository_ctx.file("defs.bzl", _DEFS.format(**config))
    repository_ctx.file("path.sh", "PYTHON='%s'\n" % config["executable"])

python_repository = repository_rule(
    implementation = _python_repository_impl,
    environ = ["PYTHON", "PATH", "PYENV_VERSION"],
    local = True,
    doc = "Finds a CPython with its headers and library on this machine.",
)

_PIP_HELP = """{python} has no {missing}, and pip could not install them: {reason}
Install them for this interpreter (Debian's /usr/bin/python3: apt-get install {debian}),
or choose another one by the environment variable PYTHON."""

def _python_test_repository_impl(repository_ctx):
    config = _ask_interpreter(repository_ctx)

    # Read for the dependency: another interpreter means that everything here is made anew.
    repository_ctx.read(Label("@python//:defs.bzl"))
    requirements = repository_ctx.path(repository_ctx.attr.requirements)
    packages = [
        line
        for line in repository_ctx.read(requirements).split("\n")
        if line and not line.startswith("#")
    ]
    names = [package.split(">")[0].split("=")[0] for package in packages]
    repository_ctx.file("site/README", "Python packages for the tests, if the interpreter has none.\n")
    python = config["executable"]
    if repository_ctx.execute([python, "-c", "import " + ", ".join(names)]).return_code != 0:
        site = repository_ctx.path("site")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", site, "-r", requirements]
        answer = repository_ctx.execute(pip)
        if answer.return_code != 0:
            fail(_PIP_HELP.format(
                python = python,
                missing = " or ".join(names),
                debian = " ".join(["python3-" + name.replace("_", "-") for name in names]),
                reason = answer.stderr.strip(),
            ))
    repository_ctx.file("BUILD", """
exports_files(["site/README"])

filegroup(
    name = "site",
    srcs = glob(["site/**"], exclude = ["**/* *", "**/*.pyc"]),
    visibility = ["//visibility:public"],
)
""")

python_test_repository = repository_rule(
    implementation = _python_test_repository_impl,
    attrs = {"requirements": attr.label(default = "//tools:python_test_requirements.txt", allow_single_file = True)},
    environ = ["PYTHON", "PATH", "PYENV_VERSION"],
    doc = "Sees to it that the interpreter's tests find what they import.",
)
