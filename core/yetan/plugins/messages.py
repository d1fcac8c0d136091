"""The messages of a plugin: what its pages, code and declarations say, and what its catalogues have for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from yetan.i18n import DEFAULT_LOCALE, LOCALES
from yetan.plugins.declarations import Plugin
from yetan.plugins.declared import declared_by
from yetan.plugins.registry import Registry

#: What is said with a message id as its first argument.
_KEYWORDS: Mapping[str, Any] = {"_": None, "translate": None, "gettext": None, "translate_count": (1, 2)}
#: The attributes of declarations that people read.
_LABELS = frozenset({"label", "title", "hint", "text", "unit", "definition", "description"})
#: Of declarations, what has labels of its own or pairs of a value and its label.
_NESTED = frozenset({"form", "choices"})
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def messages_of(plugin: Plugin, registry: Registry) -> frozenset[str]:
    """Every message id of a plugin that is part of `registry`: of its code, its templates, and what it declares.

    A message that the core says too is the core's to translate.
    """
    folder = Path(str(files(plugin.package)))
    found = {*_said_in_code(folder), *_said_in_templates(folder / "templates"), *_declared(plugin, registry)}
    return frozenset(each for each in found if _CHINESE.search(each))


def _said_in_code(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        if "migrations" not in path.parts:
            yield from _extracted("python", path)


def _said_in_templates(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.html")):
        yield from _extracted("jinja2.ext:babel_extract", path)


def _extracted(method: str, path: Path) -> Iterator[str]:
    for _, message, _, _ in extract_from_file(method, path, keywords=_KEYWORDS):
        yield from (message,) if isinstance(message, str) else message


def _declared(plugin: Plugin, registry: Registry) -> Iterator[str]:
    for declared in declared_by(plugin.name, registry).values():
        for each in declared:
            yield from _labels(each)


def _labels(declared: Any) -> Iterator[str]:
    for field in fields(declared) if is_dataclass(declared) else ():
        value = getattr(declared, field.name)
        if field.name in _LABELS and isinstance(value, str):
            yield value
        elif field.name in _NESTED:
            for each in value:
                yield from (each[1],) if isinstance(each, tuple) else _labels(each)


def catalogue_files(plugin: Plugin) -> Mapping[str, Path]:
    """By locale, the file of each catalogue the plugin ships."""
    folder = Path(str(files(plugin.package))) / "locale"
    paths = {locale: folder / locale / "LC_MESSAGES" / "messages.po" for locale in LOCALES}
    return {locale: path for locale, path in paths.items() if path.is_file()}


def catalogues_of(plugin: Plugin) -> Mapping[str, frozenset[str]]:
    """By locale, the message ids for which the plugin's catalogue has words."""
    return {
        locale: frozenset(_ids(each.id for each in _read(path) if each.id and each.string and not each.fuzzy))
        for locale, path in catalogue_files(plugin).items()
    }


def _read(path: Path) -> Catalog:
    with path.open("rb") as stream:
        return read_po(stream)


def _ids(found: Iterable[Any]) -> Iterator[str]:
    for each in found:
        yield from (each,) if isinstance(each, str) else each


def renew_catalogues(plugin: Plugin, registry: Registry) -> Mapping[Path, list[str]]:
    """Give each catalogue the messages it lacks, without words yet, and take out those nobody says any more.

    Returns by file what words are to be found for.
    """
    wanted = messages_of(plugin, registry)
    found: dict[Path, list[str]] = {}
    for locale, path in catalogue_files(plugin).items():
        catalogue = _read(path)
        for unsaid in [each for each in catalogue if each.id and not set(_ids([each.id])) & wanted]:
            catalogue.delete(unsaid.id)
        if locale != DEFAULT_LOCALE:
            for message in sorted(wanted - {each for said in catalogue for each in _ids([said.id])}):
                catalogue.add(message)
        with path.open("wb") as stream:
            write_po(stream, catalogue, width=0)
        found[path] = [each for said in catalogue if said.id and not said.string for each in _ids([said.id])]
    return found


def untranslated(plugin: Plugin, registry: Registry) -> Mapping[str, list[str]]:
    """By locale of the catalogues the plugin ships, the messages they have no words for; {} where all are complete.

    The messages themselves are in the default locale: a catalogue of that one overrides what it will.
    """
    wanted = messages_of(plugin, registry)
    found = {
        locale: sorted(wanted - known) for locale, known in catalogues_of(plugin).items() if locale != DEFAULT_LOCALE
    }
    return {locale: missing for locale, missing in found.items() if missing}
