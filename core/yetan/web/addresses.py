"""Addresses of pages by their names, for templates, redirects and notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import compile_path, replace_params

from yetan.plugins.declarations import Page


class _RowId(Convertor[int]):
    """Whole numbers a database column holds: longer ones are not found, where Starlette's own would overflow (F31)."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("int", _RowId())


@lru_cache(maxsize=1024)
def _written_as(path: str) -> tuple[str, Mapping[str, Convertor[Any]]]:
    """How an address is written, by the path its page declares: the same for every city a process opens."""
    return compile_path(path)[1:] if "{" in path else (path, {})


class Addresses:
    """Every declared page's address, also of those another process serves (`yetan serve --site`)."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._formats = {page.name: _written_as(page.path) for page in pages}
        #: Those without parameters, which every page links to.
        self._plain = {name: path for name, (path, convertors) in self._formats.items() if not convertors}

    def path(self, name: str, /, **parameters: Any) -> str:
        """The path of the page `name`. Parameters its path has no place for become the query; empty ones go.

        Raises `LookupError` if there is no such page or a parameter of its path is missing.
        """
        plain = self._plain.get(name)
        if plain is not None:
            return plain + _query(parameters) if parameters else plain
        if name not in self._formats:
            raise LookupError(f"There is no page named {name!r}.")
        path_format, convertors = self._formats[name]
        missing = convertors.keys() - parameters.keys()
        if missing:
            raise LookupError(f"The address of {name!r} needs {', '.join(sorted(missing))}.")
        path, rest = replace_params(path_format, dict(convertors), dict(parameters))
        return path + _query(rest)


def _query(parameters: Mapping[str, object]) -> str:
    query = [(key, _written(value)) for key, value in parameters.items() if value is not None and value != ""]
    return f"?{urlencode(query)}" if query else ""


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value.isoformat() if isinstance(value, date) else str(value)
