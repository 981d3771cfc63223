"""The C examples of bindings/lua/README.md are the ones that readme_examples.c compiles and runs."""

import os
import pathlib
import re

README = pathlib.Path("bindings/lua/README.md")
EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])


def test_examples_are_compiled_as_they_are_shown():
    examples = re.findall(r"^```c\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    source = EXAMPLES.read_text()
    for example in examples:
        assert example in source
