"""Writes compile_commands.json into the workspace's root, for clangd and other editors' helpers.

Asks Bazel for the command line of every C and C++ file. Run it by: ./bazelw run //tools:compile_commands
"""

import json
import os
import subprocess
import sys


def query(workspace):
    """The compile actions of all targets, as Bazel tells them."""
    answer = subprocess.run(
        [
            os.path.join(workspace, "bazelw"),
            "aquery",
            "--output=jsonproto",
            "--noshow_progress",
            'mnemonic("CppCompile", //...)',
        ],
        cwd=workspace,
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        sys.exit(f"{answer.stderr}compile_commands: Bazel could not list the compile actions")
    return json.loads(answer.stdout)["actions"]


def external_folder(workspace):
    """Where the repositories lie that command lines name as external/..."""
    execution_root = os.path.dirname(os.path.realpath(os.path.join(workspace, "bazel-out")))
    return os.path.realpath(os.path.join(execution_root, "..", "..", "external"))


def commands(actions, workspace):
    """One entry for each source file of ours: the first command that compiles it."""
    external = external_folder(workspace) + "/"
    entries = {}
    for action in actions:
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if source.startswith("external/") or source in entries:
            continue
        entries[source] = {
            "directory": workspace,
            "file": source,
            "arguments": [
                external + argument[len("external/") :]
                if argument.startswith("external/")
                else argument
                for argument in arguments
            ],
        }
    return [entries[source] for source in sorted(entries)]


def main():
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        sys.exit("compile_commands: run it by ./bazelw run //tools:compile_commands")
    entries = commands(query(workspace), workspace)
    path = os.path.join(workspace, "compile_commands.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
    print(f"{path}: {len(entries)} files")


main()
