"""The profile of a training run as an input of the compiler's."""

load("@rules_cc//cc:cc_library.bzl", "cc_library")

def _no_profile_impl(ctx):
    fail("--config=pgo-use: there is no profile in tools/pgo/profile. Make one first: " +
         "bazel run --config=pgo-gather //tools/pgo:train")

_no_profile = rule(implementation = _no_profile_impl)

def fe_profile(name, files, visibility):
    """A library whose dependents can be compiled with -fprofile-use=tools/pgo/profile.

    Args:
      name: of the target.
      files: what a training run left, stamp.h among it; empty: to depend on the target is an error that says how
        to make a profile.
      visibility: of the target.
    """
    if files:
        # The compiler does not say that it read a .gcda file. It does say that it read stamp.h, which has their
        # checksum, so that a new profile compiles everything anew.
        cc_library(
            name = name,
            hdrs = ["profile/stamp.h"],
            textual_hdrs = [file for file in files if file.endswith(".gcda")],
            visibility = visibility,
        )
    else:
        _no_profile(name = name, tags = ["manual"], visibility = visibility)
