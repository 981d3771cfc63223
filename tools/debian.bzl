"""Repository rules that take packages of another architecture's Debian apart: @debian_arm64, @debian_i386.

@debian_...//:cmocka  the C test library, to link with.
@debian_...//:lua     Lua 5.4, whole; lua_headers: without the library.
@debian_arm64_kernel//:boot/vmlinuz

The machine's own apt-get fetches them from where it fetches everything, with lists and a cache of its own in the repository, so
nothing of the machine's is changed and nobody needs to be root.
"""

def _from_elsewhere(label):
    """A label of this workspace's as other repositories name it; before Bazel 6 the main workspace's have no "@"."""
    return label if label.startswith("@") else "@" + label

def foreign_settings():
    """What is true when the build is for one of these machines, for BUILD files of other repositories."""
    return {
        "is_aarch64": _from_elsewhere(str(Label("//tools/foreign:is_aarch64"))),
        "is_x86_32": _from_elsewhere(str(Label("//tools/foreign:is_x86_32"))),
    }

_BUILD = """
load("@rules_cc//cc:cc_import.bzl", "cc_import")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

cc_library(
    name = "cmocka",
    hdrs = ["files/usr/include/cmocka.h"],
    includes = ["files/usr/include"],
    linkopts = [
        "-L{libraries}",
        "-Wl,-rpath,{libraries}",
        "-lcmocka",
    ],
)

exports_files(["{folder}/libcmocka.so.0"])

cc_library(
    name = "lua_headers",
    hdrs = glob([
        "files/usr/include/lua5.4/*.h",
        "files/usr/include/{triplet}/*.h",
    ]),
    includes = [
        "files/usr/include/{triplet}",
        "files/usr/include/lua5.4",
    ],
)

cc_import(
    name = "lua_static",
    alwayslink = 1,
    static_library = "{folder}/liblua5.4.a",
)

cc_library(
    name = "lua",
    linkopts = [
        "-lm",
        "-ldl",
    ],
    deps = [
        ":lua_headers",
        ":lua_static",
    ],
)
"""

_PACKAGES = ["libcmocka-dev", "libcmocka0", "liblua5.4-dev"]

_HELP = """apt-get could not fetch {packages} of Debian's {architecture}, which programs for that machine need:
{output}"""

# A list that cannot be had just now, perhaps of somebody else's packages, does not matter if these are found. The package
# linux-image-arm64 is only the name of the newest kernel's.
_FETCH = """
set -e
mkdir -p apt/cache/archives/partial apt/state/lists/partial
packages=$1
shift
apt-get "$@" update || true
case $packages in
  linux-image-*) packages=$(apt-cache "$@" depends $packages | sed -n 's/^ *Depends: //p') ;;
esac
apt-get "$@" download $packages
"""

def _fetch(repository_ctx, packages, unpack):
    """Has the packages' files here and runs the shell's command `unpack` for each, $file."""
    folder = str(repository_ctx.path("."))
    script = _FETCH + "for file in *.deb; do %s || exit 1; done" % unpack
    command = ["sh", "-c", script, "sh", " ".join(packages), "-qq"]
    for setting in [
        "APT::Architecture=" + repository_ctx.attr.architecture,
        "APT::Architectures=" + repository_ctx.attr.architecture,
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
        "Acquire::Retries=3",
        "Dir::Cache=%s/apt/cache" % folder,
        "Dir::State=%s/apt/state" % folder,
        "Dir::State::status=/dev/null",
    ]:
        command += ["-o", setting]
    result = repository_ctx.execute(command)
    if result.return_code != 0:
        fail(_HELP.format(
            architecture = repository_ctx.attr.architecture,
            packages = ", ".join(packages),
            output = result.stdout + result.stderr,
        ))

def _debian_repository_impl(repository_ctx):
    _fetch(repository_ctx, _PACKAGES, "dpkg -x $file files")
    folder = "files/usr/lib/" + repository_ctx.attr.triplet
    repository_ctx.file("BUILD", _BUILD.format(
        folder = folder,
        libraries = repository_ctx.path(folder),
        triplet = repository_ctx.attr.triplet,
    ))

debian_repository = repository_rule(
    implementation = _debian_repository_impl,
    attrs = {
        "architecture": attr.string(mandatory = True, doc = "As Debian calls it: arm64."),
        "triplet": attr.string(mandatory = True, doc = "The name of its folder of libraries: aarch64-linux-gnu."),
    },
    doc = "Libraries of another architecture, of the Debian that this machine has.",
)

def _debian_kernel_repository_impl(repository_ctx):
    package = "linux-image-" + repository_ctx.attr.architecture
    _fetch(repository_ctx, [package], "dpkg --fsys-tarfile $file | tar -x --transform='s/-.*//' --wildcards './boot/vmlinuz-*'")
    repository_ctx.file("BUILD", 'exports_files(["boot/vmlinuz"])\n')

debian_kernel_repository = repository_rule(
    implementation = _debian_kernel_repository_impl,
    attrs = {"architecture": attr.string(mandatory = True, doc = "As Debian calls it: arm64.")},
    doc = "The kernel of another architecture, of the Debian that this machine has: boot/vmlinuz.",
)
