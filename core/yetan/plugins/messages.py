"""The messages of a plugin: what its pages, code and declarations say, and what its catalogues have for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from yetan import messages
from yetan.fields import field_names
from yetan.messages import CHINESE, CORE, LABELS, MessageId, Proposals, first_form
from yetan.plugins.declarations import Plugin
from yetan.plugins.declared import declared_by
from yetan.plugins.registry import Registry

#: Of declarations, what has labels of its own or pairs of a value and its label.
_NESTED = frozenset({"form", "choices"})


def folder_of(plugin: Plugin) -> Path:
    """Where the plugin's package lies."""
    return Path(str(files(plugin.package)))


def messages_of(plugin: Plugin, registry: Registry) -> frozenset[MessageId]:
    """Every message of a plugin that is part of `registry`: of its code, its templates, and what it declares."""
    said = messages.said_in(folder_of(plugin))
    known = {first_form(each) for each in said}
    return said | {each for each in _declared(plugin, registry) if CHINESE.search(each) and each not in known}


def _declared(plugin: Plugin, registry: Registry) -> Iterator[str]:
    for declared in declared_by(plugin.name, registry).values():
        for each in declared:
            yield from _labels(each)


def _labels(declared: Any) -> Iterator[str]:
    for name in field_names(type(declared)):
        value = getattr(declared, name)
        if name in LABELS and isinstance(value, str):
            yield value
        elif name in _NESTED:
            for each in value:
                yield from (each[1],) if isinstance(each, tuple) else _labels(each)


def catalogues_of(plugin: Plugin) -> Mapping[str, frozenset[str]]:
    """By locale, the messages for which the plugin's catalogue has words."""
    return messages.catalogues_in(folder_of(plugin))


def renew_catalogues(
    plugin: Plugin, registry: Registry, proposals: Proposals | None = None
) -> Mapping[Path, list[str]]:
    """Give each catalogue the messages it lacks, and take out those nobody says any more.

    Returns by file what words are to be found for. What the core says, too, it has words for.
    """
    return messages.renew(folder_of(plugin), messages_of(plugin, registry), proposals, _said_by_the_core())


def untranslated(plugin: Plugin, registry: Registry) -> Mapping[str, list[str]]:
    """By locale of the catalogues the plugin ships, what they have no words for; {} where all are complete."""
    known = _said_by_the_core()
    own = {each for each in messages_of(plugin, registry) if first_form(each) not in known}
    return messages.untranslated(folder_of(plugin), own)


def misfilled(plugin: Plugin) -> Iterator[str]:
    """Where the words of its catalogues have other {places} than their message."""
    return messages.misfilled(folder_of(plugin))


def _said_by_the_core() -> frozenset[str]:
    """What every language of the core has words for."""
    return frozenset.intersection(*messages.catalogues_in(CORE).values())
