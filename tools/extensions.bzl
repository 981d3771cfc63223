"""The module extension by which MODULE.bazel reaches what repositories.bzl looks up."""

load("//tools:repositories.bzl", "local_repositories")

local = module_extension(implementation = lambda _: local_repositories())
