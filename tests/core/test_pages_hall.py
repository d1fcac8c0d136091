"""The display in the hall: what its screens show, of whom, and where each leads."""

from __future__ import annotations

import re
from typing import Any

from tests.core.test_pages_public import published, strike_off
from tests.databases import database_kind as database_kind

from yetan.testing import Town


def screen(town: Town, path: str, status: int = 200) -> Any:
    answer = town.browser().get(path)
    assert answer.status_code == status, answer.text
    return answer


def shown(answer: Any) -> list[str]:
    """The titles a screen lists."""
    return re.findall(r"<li><p>([^<]*)</p>", answer.text)


def following(answer: Any) -> str:
    """The address the display goes to by itself."""
    return str(answer.headers["refresh"]).partition("url=")[2]


def test_the_display_goes_through_what_there_is_and_begins_again(town: Town) -> None:
    strike_off(town, published(town, title="村口的路灯亮了"))
    published(town, title="渠里没有水")
    town.run_worker()
    first = screen(town, "/hall")
    assert shown(first) == ["村口的路灯亮了"]
    second = screen(town, following(first))
    assert shown(second) == ["渠里没有水"], "nothing waits for residents, so that screen is passed over"
    assert shown(screen(town, following(second))) == shown(first)
    assert re.findall(r'class="lamp lamp-(\w+)"', first.text) == ["closed_good", "open"]
    assert shown(screen(town, "/hall?screen=nothing")) == shown(first)


def test_a_village_has_a_display_of_its_own(town: Town) -> None:
    strike_off(town, published(town, title="溪尾村的灯"))
    town.run_worker()
    published(town, title="樟林村的井", unit=town.units["other"])
    town.run_worker()
    village = screen(town, "/hall/village")
    assert "溪尾村居民夜谈" in village.text
    assert shown(village) == ["溪尾村的灯"]
    assert following(village) == "/hall/village?screen=struck-off"
    assert len(re.findall(r'class="lamp lamp-', village.text)) == 1
    assert shown(screen(town, "/hall/other")) == ["樟林村的井"]
    screen(town, "/hall/nowhere", 404)


def test_a_hall_without_anything_published_says_what_will_be_seen(town: Town) -> None:
    answer = screen(town, "/hall")
    assert "还没有公开的事情" in answer.text
    assert following(answer) == "/hall"
    assert '<svg role="img" viewBox=' in answer.text, "the code leads to the board all the same"
