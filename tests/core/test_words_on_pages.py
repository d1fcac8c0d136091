"""Terms of the rules in words of every day, what people wrote in its own language, and what a page is called."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from tests.databases import ONE_DATABASE
from tests.databases import database_kind as database_kind

from yetan.plain_words import PLAIN_WORDS
from yetan.runtime import current
from yetan.testing import Browser, Town

pytestmark = ONE_DATABASE


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {}


@pytest.fixture
def path(town: Town) -> str:
    """An issue that was listed and given to another unit, as its raiser sees it."""
    issue = town.report(title="老桥头路灯不亮", text="坏了十天。", place="老桥头")
    town.move(issue, "list", by="clerk", owner=town.accounts["village"].id)
    return f"/desk/issues/{issue.id}"


def page(browser: Browser, path: str, **look: str) -> str:
    browser.get("/display", params=look)
    answer = browser.get(path)
    assert answer.status_code == 200
    return unescape(answer.text)


def test_terms_have_plain_words_beside_them_in_every_language(town: Town, path: str) -> None:
    clerk = town.browser("clerk")
    for locale, tag, line in (
        ("zh-Hans", "已立项", "立项"),
        ("zh-Hant", "已立項", "立項"),
        ("en", "On the issue list", "Put on the issue list"),
    ):
        said = page(clerk, path, elder="1", locale=locale)
        words = {"zh-Hans": "（定了要办）", "zh-Hant": "（定了要辦）", "en": " (it will be done)"}[locale]
        plain = f'<span class="plain-word">{words}</span>'
        assert re.search(rf'<span class="tag[^>]*>.*?{tag}</span>{re.escape(plain)}', said), locale
        assert f'<div class="moment-label">{line}{plain}' in said, locale
        assert re.search(rf"<dt>[^<]+{re.escape(plain[:25])}", said), "facts have them, too"


def test_every_term_with_plain_words_is_said_somewhere(town: Town) -> None:
    def terms() -> set[str]:
        registry = current().registry
        said = {each.label for each in (*registry.states.values(), *registry.event_types.values())}
        return said | {"验收", "责任人"}

    async def go() -> set[str]:
        return terms()

    assert set(PLAIN_WORDS) <= town.do(go)


def test_what_people_wrote_says_in_which_language_it_is(town: Town, path: str) -> None:
    clerk = town.browser("clerk")
    said = page(clerk, path, locale="en")
    assert '<h1 lang="zh-Hans">老桥头路灯不亮</h1>' in said
    assert '<blockquote lang="zh-Hans">坏了十天。</blockquote>' in said
    assert '<th role="rowheader" scope="row" lang="zh-Hans">' in page(clerk, "/desk/queue/unit", locale="en")
    assert 'lang="zh-Hans"' in page(clerk, "/units", locale="zh-Hant").partition("<main")[2]
    assert "<h1>老桥头路灯不亮</h1>" in page(clerk, path, locale="zh-Hans"), (
        "nothing is marked where it is the page's own"
    )


def test_a_page_of_the_desk_is_called_by_its_list_and_the_site(town: Town) -> None:
    clerk = town.browser("clerk")
    assert "<title>待办：本单位 - 柳湾市办事台</title>" in page(clerk, "/desk/queue/unit")
    assert re.search(r"<title>To do: [^<]+ - [^<]+</title>", page(clerk, "/desk/queue/unit", locale="en"))
