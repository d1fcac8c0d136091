"""Every language is complete: the core, our plugins and the theme have words for all they say, and say nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.contracts.site import own_plugins

from yetan.i18n import DEFAULT_LOCALE, LOCALES
from yetan.messages import (
    CHINESE,
    CORE,
    OPERATORS,
    TABLES,
    catalogue_files,
    core_messages,
    misfilled,
    read_catalogue,
    unmarked_in,
    untranslated,
)
from yetan.plugins import messages as of_plugins
from yetan.plugins.examined import find

#: The plugins that come with the package; the engines of the search share theirs.
PLUGINS = own_plugins()
OTHERS = [locale for locale in LOCALES if locale != DEFAULT_LOCALE]

#: What of the core holds Chinese that nobody is told in another language, beside what speaks to operators alone.
READ_OR_TOLD_TO_OPERATORS = frozenset(
    {
        # Stops a start, is told by `yetan check`, or is logged.
        *("app.py", "calendar.py", "config.py", "db/comparison.py", "db/triggers.py", "files/storage.py"),
        *("plugins/discovery.py", "plugins/registry.py", "supervising.py"),
        # Looks for Chinese words and signs in texts.
        *("publication/masking.py", "searching/places.py", "searching/popular.py", "searching/synonyms.py"),
        *("searching/vocabulary.py", "web/forms.py"),
        # Hides a name as Chinese texts do: 王某.
        *("issues/contacts.py", "publication/service.py"),
        # The words of a plugin's own kind, whose catalogue has them.
        "records/contributions.py",
        # Documents the interface of programs.
        "web/openapi.py",
        # How languages call themselves, which signs Traditional texts have, and how Chinese writes dates.
        *("i18n.py", "messages.py", "web/templating.py"),
    }
)
#: The same of our plugins.
OF_PLUGINS = {
    # Why a city cannot start; and the words and signs that texts are cut by.
    # Reads what a chat group wrote, and tells the demonstration's evenings.
    "yetan_meetings": frozenset({"chat.py", "demonstration.py"}),
    "yetan_search": frozenset(
        {"analysis.py", "concepts.py", "dictionary.py", "hooks/postgresql_search.py", "hooks/tantivy.py", "readings.py"}
    ),
}
#: Chinese that stays in English on purpose: the headings of a town's own tables, and what stands under one.
KEPT = (
    *("一级分类, 二级分类, 三级分类", "工单流水", "意思相同的词", "登录名, 姓名, 单位, 角色, 职务, 从哪天起"),
    *("村（社区）, 门牌地址, 住的人, 联户干部", "李桂香 13800005678、李小满"),
)


@cache
def packages() -> tuple[Path, ...]:
    return (CORE, *(of_plugins.folder_of(examined.plugin) for name in PLUGINS for examined in find(name)))


def words(locale: str) -> Iterator[tuple[str, str]]:
    """Each message with each form of its words."""
    for package in packages():
        for message in read_catalogue(catalogue_files(package)[locale], locale):
            forms = (message.string,) if isinstance(message.string, str) else message.string or ()
            yield from ((str(message.id), form) for form in forms if message.id)


@pytest.mark.parametrize("package", ["core", *PLUGINS])
def test_every_message_has_words_in_every_language(package: str) -> None:
    if package == "core":
        folder, missing = CORE, untranslated(CORE, core_messages())
    else:
        (examined,) = find(package)
        folder = of_plugins.folder_of(examined.plugin)
        missing = of_plugins.untranslated(examined.plugin, examined.registry)
    assert set(catalogue_files(folder)) >= set(OTHERS)
    assert not missing, "run make catalogues, and write the English:\n" + "\n".join(
        f"{locale}: {message}" for locale, messages in missing.items() for message in messages
    )


def test_words_take_the_values_their_message_has() -> None:
    assert [each for package in packages() for each in misfilled(package)] == []


def test_english_words_are_english() -> None:
    def rest(text: str) -> str:
        for kept in KEPT:
            text = text.replace(kept, "")
        return text

    assert [each for each in words("en") if CHINESE.search(rest(each[1]))] == []


def test_traditional_words_are_traditional() -> None:
    simplified = set("们这说时为过还没对开关单办务报验县镇经现实际变审议图询话录点击选择")
    assert [each for each in words("zh_Hant") if simplified & set(each[1])] == []


def test_nothing_is_said_that_is_no_message() -> None:
    found = []
    for package in packages():
        silent = READ_OR_TOLD_TO_OPERATORS | OPERATORS | TABLES if package == CORE else OF_PLUGINS.get(package.name, ())
        found += [f"{path}:{line}: {text}" for path, line, text in unmarked_in(package, silent)]
    assert not found, "mark it with _() or message_ids(), or give values instead of f-strings:\n" + "\n".join(found)
