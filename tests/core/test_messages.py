"""What is found to be a message, and how one is said in the forms of a language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from yetan import i18n
from yetan.compiled import CompiledFiles
from yetan.errors import Invalid, Refused
from yetan.messages import catalogue_files, misfilled, renew, said_in, unmarked_in, untranslated

CODE = '''
"""这个模块说的话。"""
from yetan.api import Field, NotFound, Refused

FIELDS = (Field("owner", "责任人", hint="选一位"),)
KINDS = message_ids({"a": "问题", "b": "建议"})

class Gone(NotFound):
    def __init__(self, name):
        super().__init__("没有{name}。", name=name)

def go(count):
    if count:
        raise Refused("还有 {count} 件。", count=count)
    raise Gone("村" + _("社区"))

SILENT = "谁也不翻译"
BROKEN = f"一共{count}件"
'''
TEMPLATE = """{#- 这里不算 -#}
<p>{{ _("写好了") }}{% trans count=done %}办了{{ count }}件{% endtrans %}</p>
<p>忘了，{{ "也忘了" }}</p>
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE, "utf-8")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text(TEMPLATE, "utf-8")
    for locale in ("en", "zh_Hant"):
        folder = tmp_path / "locale" / locale / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "messages.po").write_text("", "utf-8")
    return tmp_path


@pytest.fixture
def english(package: Path) -> Iterator[None]:
    """The package's words are read, and English is spoken."""
    i18n.load_catalogues([package / "locale"], CompiledFiles(package / "compiled"))
    i18n.use_locale("en")
    yield
    i18n.use_locale(i18n.DEFAULT_LOCALE)
    i18n.load_catalogues([], CompiledFiles(package / "compiled"))


def write(package: Path, locale: str, words: dict[str, str]) -> None:
    """Give the package's catalogue words for what has none; forms stand side by side."""
    path = catalogue_files(package)[locale]
    text = path.read_text("utf-8")
    for message, said in words.items():
        for number, form in enumerate(said.split("|")):
            start = text.index(f'msgid "{message}"')
            empty = f'msgstr[{number}] ""' if "|" in said else 'msgstr ""'
            text = text[:start] + text[start:].replace(empty, empty.replace('""', f'"{form}"'), 1)
    path.write_text(text, "utf-8")


def test_messages_are_found_where_they_are_said(package: Path) -> None:
    assert said_in(package) == {
        *("责任人", "选一位", "问题", "建议", "没有{name}。", "还有 {count} 件。", "村", "社区", "写好了"),
        "办了%(count)s件",
    }
    assert [(path.name, text) for path, _, text in unmarked_in(package)] == [
        *(("code.py", text) for text in ("谁也不翻译", "一共", "件")),
        *(("page.html", text) for text in ("</p>\n<p>忘了，", "也忘了")),
    ]
    assert not said_in(package, without={"code.py"}) & {"问题", "责任人"}


def test_catalogues_are_brought_up_and_keep_what_stands_in_them(package: Path) -> None:
    missing = renew(package, said_in(package), {"zh_Hant": lambda text: f"<{text}>"})
    assert missing[catalogue_files(package)["zh_Hant"]] == []
    assert len(missing[catalogue_files(package)["en"]]) == 10
    write(package, "en", {"责任人": "Owner", "还有 {count} 件。": "{count} is left.|{count} are left."})
    (package / "code.py").write_text(CODE.replace("选一位", "选哪位"), "utf-8")
    renew(package, said_in(package))
    assert untranslated(package, {"责任人", "还有 {count} 件。", "选哪位"}) == {"en": ["选哪位"], "zh_Hant": ["选哪位"]}
    assert "选一位" not in catalogue_files(package)["en"].read_text("utf-8")
    assert "<责任人>" in catalogue_files(package)["zh_Hant"].read_text("utf-8")


def test_words_that_lose_a_value_or_ask_for_another_are_found(package: Path) -> None:
    renew(package, said_in(package))
    write(package, "en", {"没有{name}。": "There is no {nme}.", "还有 {count} 件。": "One is left.|Some are left."})
    assert list(misfilled(package)) == [
        "en: 没有{name}。 -> There is no {nme}.",
        "en: 还有 {count} 件。 -> Some are left.",
    ]


def test_an_error_is_said_in_the_readers_language_with_its_values(
    package: Path, request: pytest.FixtureRequest
) -> None:
    renew(package, said_in(package))
    write(package, "en", {"没有{name}。": "No {name}.", "还有 {count} 件。": "{count} is left.|{count} are left."})
    request.getfixturevalue("english")
    assert [str(Refused("还有 {count} 件。", count=count)) for count in (1, 2)] == ["1 is left.", "2 are left."]
    assert Invalid.field("name", "没有{name}。", name="{owner}").fields == {"name": ["No {owner}."]}
    assert Refused("说好了的话 {不填}").message == "说好了的话 {不填}"
    assert i18n.in_form("还有 {count} 件。", "1,200") == "{count} are left."
