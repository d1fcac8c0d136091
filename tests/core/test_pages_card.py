"""The picture beside a shared link."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageFont
from tests.core.test_pages_public import published, strike_off

from yetan.files import fonts
from yetan.publication import card_pages
from yetan.publication.card_pages import Card, drawn, lines_of
from yetan.testing import Town
from yetan.web.qr import qr_picture

SITE = "居民夜谈会公开板"
CARD = Card("26-1", "Three lamps", "Struck off", "Xiwei, 6 days", lit=True)


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A font every machine has: that of Pillow, without Chinese characters."""
    path = tmp_path_factory.mktemp("font") / "font.ttf"
    default: Any = ImageFont.load_default(20)
    path.write_bytes(default.font_bytes)
    return path


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def lamp_coloured(body: bytes) -> int:
    """How many pixels have the colour of a lit lamp."""
    counted = opened(body).convert("RGB").getcolors(1 << 24) or []
    return sum(number for number, (red, green, blue) in counted if red > 220 and 150 < green < 200 and blue < 90)  # type: ignore[misc]


def test_only_what_was_struck_off_is_lit(font: Path) -> None:
    lit, dark = drawn(CARD, SITE, font), drawn(replace(CARD, lit=False), SITE, font)
    assert opened(lit).size == (1200, 630)
    assert lamp_coloured(lit) > 1000
    assert lamp_coloured(dark) < 100
    assert len(lit) < 60_000, "a phone loads it beside every link"


def test_a_title_is_broken_into_lines_and_ends_with_an_ellipsis(font: Path) -> None:
    letters = ImageFont.truetype(str(font), 64)
    assert lines_of("short", letters, 1040) == ["short"]
    lines = lines_of("w" * 200, letters, 1040)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(letters.getlength(line) <= 1100 for line in lines)


def test_a_published_issue_has_a_card_and_its_page_names_it(
    town: Town, font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_pages, "font_file", lambda named: font)
    issue = published(town)
    strike_off(town, issue)
    town.run_worker()
    hidden = town.report()
    browser = town.browser()
    answer = browser.get(f"/issues/{issue.number}/card.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert lamp_coloured(answer.content) > 1000
    page = browser.get(f"/issues/{issue.number}").text
    assert re.search(rf'og:image" content="http://[^"/]+/issues/{issue.number}/card.png"', page)
    assert browser.get(f"/issues/{hidden.number}/card.png").status_code == 404
    assert opened(browser.get("/card.png").content).size == (1200, 630)


def test_without_a_font_the_lamp_stands_by_itself() -> None:
    assert lamp_coloured(drawn(CARD, SITE, None)) > 5 * lamp_coloured(drawn(replace(CARD, lit=False), SITE, None))
    assert opened(drawn(CARD, SITE, None)).size == (1200, 630)


def test_the_font_is_the_city_s_or_the_machine_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "_FOLDERS", (tmp_path,))
    fonts.font_file.cache_clear()
    assert fonts.font_file("") is None
    (tmp_path / "simhei.ttf").touch()
    fonts.font_file.cache_clear()
    assert fonts.font_file("") == tmp_path / "simhei.ttf"
    assert fonts.font_file(str(tmp_path / "gone.ttf")) is None
    fonts.font_file.cache_clear()


def test_the_code_on_a_printed_page_leads_back_to_it_and_nowhere_else(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_pages, "qr_picture", lambda address: address.encode())
    issue = published(town)
    browser = town.browser()
    source = re.search(r'class="print-code"><img src="([^"]+)"', browser.get(f"/issues/{issue.number}").text)
    assert source is not None
    assert browser.get(source[1]).text == f"http://testserver/issues/{issue.number}"
    for elsewhere in ("//evil.example", "https://evil.example/", "/" + "a" * 300, ""):
        assert browser.get("/qr.svg", params={"page": elsewhere}).text == "http://testserver/"


def test_a_code_is_a_picture_of_its_own() -> None:
    picture = qr_picture("http://testserver/issues/26-1")
    assert b'xmlns="http://www.w3.org/2000/svg"' in picture
