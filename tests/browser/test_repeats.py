"""Pressing five times, and going back and pressing again: one issue (C54, F15)."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from yetan.db.connection import sqlite_path

from .conftest import Site

pytestmark = pytest.mark.browser

_FIVE_TIMES = """
async form => {
    const started = performance.now();
    const send = () => fetch(form.action, {method: "POST", body: new FormData(form)});
    const answers = Array.from({length: 5}, send);
    const took = performance.now() - started;
    return [took, (await Promise.all(answers)).map(answer => answer.url)];
}
"""


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_impatient_resident_raises_one_issue(chromium: Any, site: Site, town_database_url: str) -> None:
    page = chromium.new_context(viewport={"width": 360, "height": 800}).new_page()
    page.set_default_timeout(30_000)

    def issues() -> int:
        with closing(sqlite3.connect(sqlite_path(town_database_url))) as database:
            ((count,),) = database.execute("SELECT count(*) FROM yetan_issue")
            return int(count)

    page.goto(f"{site.address}/raise")
    main = page.locator("main")
    title = main.get_by_label(re.compile("^一句话说是什么事"))
    title.fill("老桥头路灯不亮")
    main.get_by_label(re.compile("^说说经过")).fill("老桥头两盏路灯坏了十天，晚上看不见台阶。")
    village = main.get_by_label(re.compile("^哪个村")).first
    village.select_option(village.locator("option").filter(has_text="溪尾村").first.get_attribute("value"))
    page.get_by_label("问题诉求").check()
    page.get_by_label(re.compile("大家的事")).check()
    milliseconds, led_to = main.locator("form").first.evaluate(_FIVE_TIMES)
    assert milliseconds < 50
    assert len(set(led_to)) == 1
    assert issues() == 1

    # The page as it was, as a browser shows it that keeps pages for going back: the first answer.
    sent = main.locator("[name=_key]").first.input_value()
    main.get_by_role("button", name="提交", exact=True).click()
    page.wait_for_url(led_to[0])
    page.reload()
    assert issues() == 1
    # A browser that asks for the page again gets an empty form of its own: nothing there can be sent once more.
    page.go_back()
    assert title.input_value() == ""
    assert main.locator("[name=_key]").first.input_value() != sent
    assert issues() == 1
