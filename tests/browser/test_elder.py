"""Elder mode in a browser: questions answered by keys alone, and a page read aloud where there is a voice for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.databases import ONE_DATABASE
from tests.databases import database_kind as database_kind

from yetan.testing import Town

from .conftest import open_chromium

pytestmark = [pytest.mark.browser, ONE_DATABASE]

_SITE = "http://testserver"
#: A voice that says nothing and remembers everything; `window.said.finish()` comes to the end of a sentence.
_VOICE = """
window.said = { texts: [], rates: [], now: null, finish() { const it = this.now; this.now = null; it.onend(); } };
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => [{ lang: "en-US", localService: true }, { lang: "zh-TW", localService: true },
                    { lang: "zh_CN", localService: false }],
  speak(it) { said.texts.push(it.text); said.rates.push(it.rate); said.voice = it.voice.lang; said.now = it; },
  cancel() { said.now = null; },
} });
window.SpeechSynthesisUtterance = function (text) { this.text = text; };
"""


@pytest.fixture
def page(town: Town) -> Iterator[Any]:
    """A phone in elder mode whose requests the town answers, with a voice."""
    own = town.browser()
    own.get("/display?elder=1")

    def answer(route: Any) -> None:
        sent = route.request
        if sent.method == "POST":
            headers = {"Content-Type": sent.headers["content-type"], "Origin": _SITE}
            told = own.post(sent.url, content=sent.post_data_buffer, headers=headers)
        else:
            told = own.get(sent.url)
        route.fulfill(status=told.status_code, headers=dict(told.headers), body=told.content)

    with open_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 360, "height": 740})
        context.route("**/*", answer)
        made = context.new_page()
        made.set_default_timeout(15_000)
        yield made
        context.close()


def test_questions_by_keys_and_pages_by_ear(page: Any) -> None:
    page.goto(_SITE + "/raise")
    assert page.locator(".reading:visible").count() == 0, "no voice, no button"
    page.fill("[name=title]", "菜场门口积水")
    page.keyboard.press("Enter")
    page.get_by_label("说说经过").fill("水漫到鞋面。\n老人走不过去。")
    page.get_by_role("button", name="上一步").click()
    assert page.get_by_label("一句话说是什么事").input_value() == "菜场门口积水"
    page.keyboard.press("Tab")
    page.get_by_label("一句话说是什么事").press("Enter")
    assert page.get_by_label("说说经过").input_value() == "水漫到鞋面。\n老人走不过去。"
    boxes = [each.bounding_box() for each in page.locator("main .button:visible, main .box").all()]
    assert min(box["height"] for box in boxes) >= 60
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    page.add_init_script(_VOICE)
    page.goto(_SITE + "/raise")
    assert page.evaluate("said.texts") == [], "nothing is read before somebody asks for it"
    page.get_by_role("button", name="读给我听").click()
    assert page.evaluate("said.texts") == ["说一件事"]
    assert page.evaluate("said.voice") == "zh_CN"
    assert page.locator(".read-now").inner_text() == "说一件事"
    page.evaluate("said.finish()")
    assert page.evaluate("said.texts").pop() == "问题、建议都可以。"
    page.get_by_role("button", name="停一下").click()
    assert page.evaluate("said.now") is None
    page.get_by_role("button", name="接着读").click()
    page.get_by_role("button", name="读慢一点").click()
    assert page.evaluate("said.texts").count("问题、建议都可以。") == 3, "again from the same sentence"
    rates = page.evaluate("said.rates")
    assert rates[-1] < rates[0]
    page.get_by_role("button", name="不读了").click()
    assert page.locator(".read-now").count() == 0
    page.get_by_role("button", name="读给我听").click()
    while page.evaluate("said.now !== null"):
        page.evaluate("said.finish()")
    texts = page.evaluate("said.texts")
    assert "一句话说是什么事" in texts
    assert not {"停一下", "不读了"} & set(texts), "the buttons that read are not read"
