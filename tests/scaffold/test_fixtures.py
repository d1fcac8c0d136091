"""Every fixture of the kit is explained by an example, and every example works."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from yetan.testing import pytest_plugin


def examples() -> Iterator[tuple[str, str]]:
    """Each fixture of the kit with the code of its docstring, from the first line of it that is any."""
    for name, fixture in vars(pytest_plugin).items():
        if isinstance(fixture, type(pytest_plugin.town)):
            found = re.search(r"^(from |def |@).*", inspect.cleandoc(fixture.__doc__ or ""), re.MULTILINE | re.DOTALL)
            yield name, found[0] if found else ""


EXAMPLES = dict(examples())
for _name, _code in EXAMPLES.items():
    exec(compile(_code, f"the example of {_name}", "exec"), globals())


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_fixture_has_an_example_that_uses_it(name: str) -> None:
    assert re.search(rf"def test_\w+\(.*\b{name}\b|parametrize\(\"{name}\"", EXAMPLES[name])
