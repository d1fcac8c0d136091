"""What is typed without a connection is kept in the browser and sent once (C54, F17).

The site is asked over plain HTTP by a name that is not this machine's own, so that the browser offers what it offers in
a closed network and nothing else.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from yetan.access.throttle import forgive
from yetan.db.connection import CORE_APPLICATION, Application, sqlite_path
from yetan.issues.models import Issue
from yetan.testing import Town
from yetan.testing.town import HOST
from yetan.web.server import server_configuration

from .conftest import open_chromium

pytestmark = pytest.mark.browser

#: A browser that has no room for an entry.
_NO_ROOM = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function () {
  if (this.name === "entries") throw new DOMException("no room", "QuotaExceededError");
  return put.apply(this, arguments);
};
"""
_RECEIPT = re.compile(r"/raise/\d+-\d+$")
KEPT = "现在发不出去，先存在本机了"
#: What the tests look at: raising an issue, with the outbox.
_RAISE = (files("yetan") / "templates" / "public" / "raise.html").read_text(encoding="utf-8")
_WITH_OUTBOX = _RAISE.replace('_("提交"))', '_("提交"), outbox=True)').replace(
    "{% block content %}", "{% block head %}{{ c.outbox(actor) }}{% endblock %}{% block content %}"
)


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: Callable[[str, Sequence[Application]], str]
) -> Iterator[Town]:
    """A town whose page for raising an issue takes part."""
    folder = tmp_path_factory.mktemp("town")
    shutil.copy(sqlite_path(migrated_template("sqlite", (CORE_APPLICATION,))), folder / "town.sqlite3")
    page = folder / "templates" / "public" / "raise.html"
    page.parent.mkdir(parents=True)
    page.write_text(_WITH_OUTBOX, encoding="utf-8")
    with Town(f"sqlite://{folder}/town.sqlite3", folder, plugins=("lantern",), theme="lantern").open() as running:
        yield running


@pytest.fixture(scope="module")
def port(town: Town) -> Iterator[int]:
    """Where the town is served."""
    server = uvicorn.Server(server_configuration(town.app, lifespan="off"))

    async def serve() -> asyncio.Task[None]:
        return asyncio.ensure_future(server.serve([listening]))

    async def stop() -> None:
        server.should_exit = True
        await serving

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        serving = town.run(serve())
        yield int(listening.getsockname()[1])
        town.run(stop())


@pytest.fixture(scope="module")
def chromium(port: int) -> Iterator[Any]:
    """A browser for which the town has a name."""
    with open_chromium(f"--host-resolver-rules=MAP {HOST} 127.0.0.1", "--no-proxy-server") as browser:
        yield browser


class Phone:
    """A resident's phone, with a page open on which issues are raised."""

    def __init__(self, chromium: Any, town: Town, port: int, **options: Any) -> None:
        self.town, self.site, self.port = town, f"http://{HOST}:{port}", port
        self.context = chromium.new_context(viewport={"width": 360, "height": 740}, **options)
        self.context.set_default_timeout(15_000)
        self.posts: list[str] = []
        self.context.on("request", lambda sent: self.posts.append(sent.url) if sent.method == "POST" else None)
        self.page = self.open()

    def open(self) -> Any:
        """A further tab."""
        page = self.context.new_page()
        page.goto(f"{self.site}/raise")
        return page

    def sign_in(self, who: str) -> None:
        cookie, _ = self.town.run(self.town.sign_in(who))
        self.context.add_cookies([{"name": "yetan-session", "value": cookie, "url": self.site}])

    def write(self, title: str, *, complete: bool = True) -> None:
        """Fill in the form."""
        self.page.fill("[name=title]", title)
        self.page.fill("[name=text]", f"{title}，已经好多天了，请派人看看。")
        self.page.get_by_label("问题诉求").check()
        if complete:
            self.choose_village()

    def choose_village(self) -> None:
        self.page.select_option("[name=unit]", str(self.town.units["village"]))

    def send(self, title: str = "", *, complete: bool = True) -> None:
        if title:
            self.write(title, complete=complete)
        self.page.locator("main form").get_by_role("button", name="提交", exact=True).click()

    def says(self, words: str, *, seconds: float = 15) -> None:
        """Wait until the page says something of the outbox."""
        self.page.locator(".outbox").get_by_text(words).wait_for(timeout=seconds * 1000)

    def cut(self) -> None:
        self.context.set_offline(True)

    def connect(self) -> None:
        self.context.set_offline(False)

    def try_again(self) -> None:
        """What comes about by itself after a while."""
        self.page.evaluate("dispatchEvent(new Event('online'))")

    @property
    def key(self) -> str:
        return str(self.page.locator("main [name=_key]").input_value())

    @property
    def is_silent(self) -> bool:
        return not self.page.locator(".outbox").inner_text().strip()


@pytest.fixture
def phone(chromium: Any, town: Town, port: int) -> Iterator[Phone]:
    made = Phone(chromium, town, port)
    yield made
    made.context.close()


@pytest.fixture(autouse=True)
def raised(town: Town) -> Callable[[], list[str]]:
    """The titles of the issues raised since the test began, in order."""
    town.run(forgive("issue.raise", "127.0.0.1", window_seconds=3600, now=town.clock()))

    async def titles(after: int) -> list[tuple[int, str]]:
        return [(issue.id, issue.title) for issue in await Issue.filter(id__gt=after).order_by("id")]

    before = max((number for number, _ in town.run(titles(0))), default=0)
    return lambda: [title for _, title in town.run(titles(before))]


def test_with_a_connection_a_form_leads_where_it_leads_without_the_outbox(
    phone: Phone, raised: Callable[[], list[str]], tmp_path: Path
) -> None:
    assert not phone.page.evaluate("isSecureContext")
    phone.write("路灯不亮")
    phone.page.set_input_files("[name=photos]", _photo(tmp_path))
    phone.send()
    phone.page.wait_for_url(_RECEIPT)
    assert "1 张" in phone.page.locator("main").inner_text()
    assert raised() == ["路灯不亮"]
    assert len(phone.posts) == 1
    phone.page.goto(f"{phone.site}/raise")
    assert phone.is_silent


def test_what_is_written_without_a_connection_goes_once_and_in_order(
    phone: Phone, raised: Callable[[], list[str]], tmp_path: Path
) -> None:
    keys = {phone.key}
    phone.cut()
    phone.write("井盖松动")
    phone.page.set_input_files("[name=photos]", _photo(tmp_path))
    phone.send()
    phone.says(KEPT)
    keys.add(phone.key)
    assert phone.page.locator("[name=title]").input_value() == ""
    phone.send("水渠堵了")
    phone.says("本机存着 2 条")
    keys.add(phone.key)
    assert len(keys) == 3
    assert raised() == []
    phone.connect()
    phone.says("发出去了 2 条")
    assert raised() == ["井盖松动", "水渠堵了"]
    phone.page.get_by_role("link", name="看结果").click()
    phone.page.wait_for_url(_RECEIPT)
    assert "水渠堵了" in phone.page.locator("main").inner_text()


def test_who_leaves_the_page_loses_nothing(phone: Phone, raised: Callable[[], list[str]]) -> None:
    phone.cut()
    phone.send("桥栏杆松了")
    phone.says(KEPT)
    phone.page.close()
    phone.connect()
    phone.page = phone.open()
    # A page that was closed while it sent keeps the others waiting for as long as it might have taken.
    phone.says("发出去了 1 条", seconds=45)
    assert raised() == ["桥栏杆松了"]


def test_a_lost_answer_and_one_that_is_not_the_sites_are_no_answer(
    phone: Phone, raised: Callable[[], list[str]]
) -> None:
    """The connection is cut after the server has taken what was sent; then the portal of a network is in between."""

    def lose(route: Any) -> None:
        sent = route.request
        headers = {**sent.all_headers(), "host": f"{HOST}:{phone.port}"}
        taken = route.fetch(url=f"http://127.0.0.1:{phone.port}/raise", headers=headers, max_redirects=0)
        assert taken.status == 303
        route.abort("connectionreset")

    phone.page.route("**/raise", lose)
    phone.send("河边垃圾没人运")
    phone.says(KEPT)
    assert raised() == ["河边垃圾没人运"]
    phone.page.unroute("**/raise")
    phone.page.route("**/raise", lambda route: route.fulfill(status=200, body="<h1>欢迎使用无线网</h1>"))
    with phone.page.expect_response("**/raise"):
        phone.try_again()
    phone.says("本机存着 1 条")
    phone.page.unroute("**/raise")
    phone.try_again()
    phone.says("发出去了 1 条")
    assert raised() == ["河边垃圾没人运"]


def test_what_the_server_refuses_comes_back_in_its_form(phone: Phone, raised: Callable[[], list[str]]) -> None:
    key = phone.key
    phone.send("公厕没有水", complete=False)
    phone.page.locator(".error-summary").wait_for()
    assert phone.key == key
    assert phone.page.locator("[name=title]").input_value() == "公厕没有水"
    assert phone.is_silent, "it is all in the form"
    phone.choose_village()
    phone.send()
    phone.page.wait_for_url(_RECEIPT)
    assert raised() == ["公厕没有水"]


def test_changing_how_the_page_looks_sends_nothing(phone: Phone, raised: Callable[[], list[str]]) -> None:
    phone.write("井边没有栏杆")
    phone.page.get_by_role("button", name="夜间").click()
    phone.page.locator("html[data-light=night]").wait_for()
    assert phone.page.locator("[name=title]").input_value() == "井边没有栏杆"
    assert len(phone.posts) == 1, "the button's own, not the outbox's"
    assert phone.is_silent
    assert raised() == []


def test_what_is_refused_later_stays_until_it_is_put_right_or_thrown_away(
    phone: Phone, raised: Callable[[], list[str]]
) -> None:
    phone.cut()
    for number, title in enumerate(("村道塌了一角", "不要的这一条"), start=1):
        phone.send(title, complete=False)
        phone.says(f"本机存着 {number} 条")
    phone.connect()
    for title in ("村道塌了一角", "不要的这一条"):
        phone.says(title)
    assert raised() == []
    refused = phone.page.locator(".outbox .notice-bad")
    assert refused.count() == 2
    assert "“说一件事”有一条没有办成" in refused.first.inner_text()
    assert refused.first.locator("p").nth(1).inner_text() == "请填写“哪个村（社区）”。", "the server's own sentence"
    refused.last.get_by_role("button", name="不要了").click()
    refused.nth(1).wait_for(state="detached")
    refused.first.get_by_role("link", name="打开重填").click()
    phone.page.locator("[name=title]:focus").wait_for()
    assert phone.page.locator("[name=title]").input_value() == "村道塌了一角"
    assert phone.page.get_by_label("问题诉求").is_checked()
    phone.choose_village()
    phone.send()
    phone.page.wait_for_url(_RECEIPT)
    assert raised() == ["村道塌了一角"]
    phone.page = phone.open()
    assert phone.is_silent


def test_two_tabs_send_it_once(phone: Phone, raised: Callable[[], list[str]]) -> None:
    phone.open()
    phone.cut()
    phone.send("电线杆歪了")
    phone.says(KEPT)
    tried = len(phone.posts)
    phone.connect()
    phone.page.locator(".outbox").filter(has_text="存着").wait_for(state="detached")
    assert raised() == ["电线杆歪了"]
    assert len(phone.posts) == tried + 1


def test_an_entry_is_its_writers_alone_and_goes_with_the_session_they_have_then(
    phone: Phone, raised: Callable[[], list[str]]
) -> None:
    phone.sign_in("resident")
    phone.page.goto(f"{phone.site}/raise")
    phone.page.route("**/raise", _nothing_goes)
    phone.send("操场灯坏了")
    phone.says(KEPT)

    phone.sign_in("village")
    phone.page.unroute("**/raise")
    phone.try_again()
    phone.says("重新登录过，没有办理")
    assert phone.page.locator(".outbox").get_by_text("操场灯坏了").is_visible()

    phone.sign_in("resident")
    phone.context.route("**/raise", _nothing_goes)
    residents, phone.page = phone.page, phone.open()
    residents.close()
    phone.says("本机存着 1 条")
    phone.sign_in("village")
    residents, phone.page = phone.page, phone.open()
    phone.context.unroute("**/raise")
    assert phone.is_silent
    tried = len(phone.posts)
    residents.evaluate("dispatchEvent(new Event('online'))")
    phone.send("值班室漏雨")
    phone.page.wait_for_url(_RECEIPT)
    residents.close()
    assert raised() == ["值班室漏雨"]
    assert len(phone.posts) == tried + 1

    phone.sign_in("resident")
    phone.page = phone.open()
    phone.says("发出去了 1 条")
    assert raised() == ["值班室漏雨", "操场灯坏了"]
    assert phone.town.raisers_of(phone.town.run(_titled("操场灯坏了"))) == [phone.town.resident.id]


def test_who_has_to_sign_in_first_is_led_there_and_the_entry_goes_afterwards(
    phone: Phone, raised: Callable[[], list[str]]
) -> None:
    to_sign_in = {"Location": f"{phone.site}/sign-in?next=/raise"}
    phone.page.route("**/raise", lambda route: route.fulfill(status=303, headers=to_sign_in))
    phone.send("巷口没有灯")
    phone.page.wait_for_url("**/sign-in?next=/raise")
    phone.page.unroute("**/raise")
    phone.page.goto(f"{phone.site}/raise")
    phone.says("发出去了 1 条")
    assert raised() == ["巷口没有灯"]


@pytest.mark.parametrize("without", ["script", "IndexedDB", "room"])
def test_without_what_the_outbox_needs_the_form_is_a_plain_one(
    chromium: Any, town: Town, port: int, raised: Callable[[], list[str]], without: str
) -> None:
    plain = Phone(chromium, town, port, java_script_enabled=without != "script")
    if without == "IndexedDB":
        plain.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    elif without == "room":
        plain.context.add_init_script(_NO_ROOM)
    plain.page.goto(f"{plain.site}/raise")
    plain.send("戏台漏雨")
    plain.page.wait_for_url(_RECEIPT)
    assert raised() == ["戏台漏雨"]
    plain.context.close()


def _nothing_goes(route: Any) -> None:
    if route.request.method == "POST":
        route.abort("connectionreset")
    else:
        route.continue_()


async def _titled(title: str) -> Issue:
    return await Issue.get(title=title)


def _photo(folder: Path) -> str:
    from PIL import Image

    path = folder / "lamp.jpg"
    Image.new("RGB", (40, 30), "black").save(path)
    return str(path)
