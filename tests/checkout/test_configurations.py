"""Every --config builds what one asks for: a target that is no test is not left out silently."""

import re
from pathlib import Path

import pytest

CONFIGURATIONS = sorted(set(re.findall(r"^build:(\S+)", Path(".bazelrc").read_text(), re.MULTILINE)))


@pytest.fixture(scope="module")
def bazel(checkout, bazel_in):
    return bazel_in(checkout)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_library_is_built_with(bazel, configuration):
    if configuration == "pgo-use":
        pytest.skip("needs a profile, and says so")
    said = bazel("build", "--nobuild", f"--config={configuration}", "//:ferroc", with_errors=True)
    assert "Analyzed target //:ferroc" in said
