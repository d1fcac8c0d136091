"""Where templates and static files come from, what a template may use, panels, menus, languages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.core.tiny_city import PAGES, Browser, TinyCity, add_account

from yetan import i18n
from yetan.compiled import CompiledFiles
from yetan.errors import ConfigurationError
from yetan.fields import changed
from yetan.plugins.declarations import NavigationItem, Page, Panel, Plugin, Theme
from yetan.web import panels as panels_module
from yetan.web.panels import panels
from yetan.web.request import Request


@pytest.fixture
def database_kind() -> str:
    """One database is enough here: nothing below depends on which."""
    return "sqlite"


@pytest.fixture
def city(database_url: str, tmp_path: Path) -> TinyCity:
    return TinyCity(database_url, tmp_path / "deployment")


@pytest.fixture
def browser(city: TinyCity) -> Iterator[Browser]:
    with city.client() as browser:
        yield browser


@pytest.fixture(autouse=True)
def no_catalogues() -> Iterator[None]:
    yield
    i18n.load_catalogues([], CompiledFiles(Path()))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder importable packages may be written to."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("liuwan_"):
            del sys.modules[name]


def make_package(folder: Path, name: str) -> Path:
    write(folder / name / "__init__.py", "")
    return folder / name


def plugin(name: str) -> Plugin:
    return Plugin(name=name, title=name, version="1", package=f"liuwan_{name}", hooks="")


def shows(template: str, **context: object) -> Page:
    """A page that draws a template."""

    async def show(request: Request) -> Response:
        return request.render(template, **context)

    return Page("/show", show, "show", public=True)


def drawn(city: TinyCity, template: str, **context: object) -> str:
    city.pages = (*(page for page in city.pages if page.name != "show"), shows(template, **context))
    with city.client() as browser:
        answer = browser.get("/show")
        assert answer.status_code == 200, answer.text
        return str(answer.text)


def test_upper_layers_win_and_originals_stay_in_reach(
    city: TinyCity, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """deployment > theme > plugins in order > core, with core: and <plugin>: for the originals."""
    lamps, points, theme = (make_package(package, f"liuwan_{name}") for name in ("lamps", "points", "theme"))
    write(points / "templates" / "page.html", "points")
    write(lamps / "templates" / "page.html", "lamps")
    city.plugins = (plugin("lamps"), plugin("points"))
    assert drawn(city, "page.html") == "lamps"
    write(theme / "templates" / "page.html", "theme over {% include 'points:page.html' %}")
    write(theme / "theme.toml", 'stylesheets = ["look.css"]\nicon = "look.svg"\nskins = ["", "red"]\n')
    write(theme / "static" / "look.css", "p {}")
    write(theme / "static" / "look.svg", "<svg/>")
    themed = changed(city.registry, theme=Theme("theme", "主题", "liuwan_theme"))
    monkeypatch.setattr(TinyCity, "registry", property(lambda self: changed(themed, pages=tuple(self.pages))))
    assert drawn(city, "page.html") == "theme over points"
    write(city.folder / "templates" / "page.html", "deployment over {% include 'lamps:page.html' %}")
    assert drawn(city, "page.html") == "deployment over lamps"
    write(
        city.folder / "templates" / "error.html",
        "{% extends 'core:error.html' %}{% block foot %}我们的页脚{% endblock %}",
    )
    page = drawn(city, "error.html", heading="标题", message="正文")
    assert "<h1>标题</h1>" in page
    assert "我们的页脚" in page
    assert "look.css" in page
    which = city.app().state.templating.which("page.html")
    assert [path.parts[-3] for path in which] == ["deployment", "liuwan_theme", "liuwan_lamps", "liuwan_points"]


def test_no_template_is_reached_outside_the_folders(city: TinyCity) -> None:
    write(city.folder / "secret.html", "secret")
    city.pages = (*city.pages, shows("../secret.html"))
    with city.client() as browser:
        assert browser.get("/show").status_code == 500


def test_everything_is_escaped(city: TinyCity) -> None:
    """C01, C04: also in files of any other ending, and in translated sentences."""
    bad = "<img src=x onerror=1>{{7*7}}"
    write(city.folder / "templates" / "page.txt", "{{ bad }}|{{ _(bad) }}|{% trans bad=bad %}说{{ bad }}{% endtrans %}")
    page = drawn(city, "page.txt", bad=bad)
    assert "<img" not in page
    assert page.count("&lt;img") == 3
    assert page.count("{{7*7}}") == 3


def test_a_name_a_template_does_not_get_is_a_fault(city: TinyCity) -> None:
    write(city.folder / "templates" / "page.html", "{{ nosuch }}")
    city.pages = (*city.pages, shows("page.html"))
    with city.client() as browser:
        assert browser.get("/show").status_code == 500


def test_dates_are_the_city_s(city: TinyCity) -> None:
    write(
        city.folder / "templates" / "page.html",
        "{{ at | date }}|{{ at | datetime }}|{{ at | full_date }}|{{ day | date }}|{{ 1234567 | number }}|"
        "{{ now.hour }}",
    )
    late = datetime(2026, 6, 16, 16, 20, tzinfo=UTC)  # 00:20 on the 17th in Shanghai
    page = drawn(city, "page.html", at=late, day=date(2026, 6, 17))
    assert page == "6月17日|6月17日 00:20|2026年6月17日|6月17日|1,234,567|9"


def test_addresses_take_parameters_and_queries(city: TinyCity) -> None:
    addresses = city.app().state.templating.addresses
    assert addresses.path("desk.unit", id=7) == "/desk/units/7"
    assert addresses.path("search", word="路 灯&", page=None, state="") == "/search?word=%E8%B7%AF+%E7%81%AF%26"
    assert addresses.path("desk.unit", id=7, day=date(2026, 5, 6), all=True) == "/desk/units/7?day=2026-05-06&all=1"
    with pytest.raises(LookupError, match=r"no page named 'nosuch'"):
        addresses.path("nosuch")
    with pytest.raises(LookupError, match=r"needs id"):
        addresses.path("desk.unit")


def test_menus_show_where_one_may_go(city: TinyCity) -> None:
    city.navigation = (
        NavigationItem("public", "公开板", "board"),
        NavigationItem("desk", "消息", "desk.notices", permission="signed_in"),
        NavigationItem("desk", "看单位", "search", permission="unit.look"),
    )
    write(
        city.folder / "templates" / "page.html",
        "{% for area in (navigation, desk_navigation, admin_navigation) %}"
        "{% for each in area %}{{ each.label }} {{ each.href }} {{ each.current }};{% endfor %}|{% endfor %}",
    )
    assert drawn(city, "page.html") == "公开板 / False;|||"
    personal = changed(shows("page.html"), personal=True)
    city.pages = (*PAGES, *(page for page in city.pages if page not in PAGES and page.name != "show"), personal)
    with city.client() as browser:
        browser.do(add_account)
        browser.sign_in()
        assert browser.get("/show").text == "公开板 / False;|消息 /desk/notices False;||"


def test_form_keys_are_fresh_until_a_form_is_refused(city: TinyCity) -> None:
    async def draw(request: Request) -> Response:
        return request.render("page.html")

    write(city.folder / "templates" / "page.html", "{{ key_field() }}{{ csrf_field() }}")
    city.pages = (*city.pages, Page("/draw", draw, "draw", public=True))
    city.pages = (*city.pages, Page("/draw", draw, "draw.submit", methods=("POST",), public=True))
    with city.client() as browser:
        first, second = browser.get("/draw").text, browser.get("/draw").text
        assert first.startswith('<input type="hidden" name="_key" value="')
        assert first != second
        assert "_token" not in first
        key = "the-very-same-key-of-before"
        assert f'value="{key}"' in browser.submit("/draw", {"_key": key}).text


# Panels


async def hello(act: object, subject: object) -> dict[str, object]:
    return {"word": f"关于{subject}"}


async def broken(act: object, subject: object) -> dict[str, object]:
    raise RuntimeError("broken")


async def slow(act: object, subject: object) -> dict[str, object]:
    await asyncio.sleep(5)
    return {"word": "太晚了"}


async def nothing(act: object, subject: object) -> None:
    return None


def test_panels_load_together_and_fail_alone(
    city: TinyCity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def page(request: Request) -> Response:
        return request.render("page.html", panels=await panels(request, "issue", "<灯>"))

    monkeypatch.setattr(panels_module, "DEADLINE", 0.2)
    write(city.folder / "templates" / "page.html", "{% for each in panels %}[{{ each }}]{% endfor %}")
    write(city.folder / "templates" / "panel.html", "<b>{{ word }}</b>")
    write(city.folder / "templates" / "broken.html", "{{ nosuch }}")
    city.panels = (
        Panel("hello", "issue", "panel.html", hello),
        Panel("broken", "issue", "panel.html", broken),
        Panel("slow", "issue", "panel.html", slow),
        Panel("nothing", "issue", "panel.html", nothing),
        Panel("undrawable", "issue", "broken.html", hello),
        Panel("other page", "board", "panel.html", hello),
        Panel("other people's", "issue", "panel.html", hello, permission="unit.look"),
    )
    city.pages = (*city.pages, Page("/panels", page, "panels", public=True))
    with city.client() as browser:
        text = browser.get("/panels").text
    notice = '[<p class="note">这一部分暂时看不到。</p>]'
    assert text == "[<b>关于&lt;灯&gt;</b>]" + notice * 3
    for name in ("broken", "slow", "undrawable"):
        assert f"panel {name} of page issue failed" in caplog.text


# Static files


def test_static_files_are_cached_for_good_under_their_hash(city: TinyCity, browser: Browser) -> None:
    page = browser.get("/").text
    path = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = browser.get(path)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "set-cookie" not in answer.headers
    old = browser.get("/static/000000000000/plain.css")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    assert old.content == answer.content


def test_a_deployment_s_static_file_wins(city: TinyCity) -> None:
    write(city.folder / "static" / "plain.css", "/* ours */")
    write(city.folder / "static" / "notes.py", "secret")
    with city.client() as browser:
        assert browser.get("/static/x/plain.css").text == "/* ours */"
        assert browser.get("/static/x/notes.py").status_code == 404


@pytest.mark.parametrize(
    "path", ["../secret.css", "..%2fsecret.css", "%2e%2e/secret.css", "/etc/hostname", "..\\secret.css", ""]
)
def test_static_paths_lead_nowhere_else(city: TinyCity, path: str) -> None:
    write(city.folder / "secret.css", "secret")
    write(city.folder / "static" / "a.css", "")
    with city.client() as browser:
        answer = browser.get(f"/static/x/{path}")
        assert answer.status_code == 404
        assert "secret" not in answer.text


# Languages and display

PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "公开板"
msgstr "Public board"

msgid "{count}件"
msgid_plural "{count}件"
msgstr[0] "one matter"
msgstr[1] "many matters"

msgid "%(count)s盏<灯>"
msgid_plural "%(count)s盏<灯>"
msgstr[0] "%(count)s <lamp>"
msgstr[1] "%(count)s <lamps>"
"""


def test_catalogues_are_read_without_compiling_and_the_city_has_the_last_word(city: TinyCity) -> None:
    write(city.folder / "locale" / "en" / "LC_MESSAGES" / "messages.po", PO)
    write(
        city.folder / "locale" / "zh_Hans" / "LC_MESSAGES" / "messages.po",
        PO.replace("Public board", "柳湾公开板").partition('msgid "{count}件"')[0],
    )
    write(city.folder / "templates" / "page.html", "{{ _('公开板') }}|{{ display.locale }}|{{ day | date }}")
    lamps = "{% trans count=count %}{{ count }}盏<灯>{% endtrans %}"
    write(city.folder / "templates" / "lamps.html", lamps)
    two = Page("/lamps", shows("lamps.html", count="<2>").endpoint, "lamps", public=True)
    city.pages = (*city.pages, shows("page.html", day=date(2026, 6, 17)), two)
    with city.client() as browser:
        assert browser.get("/show").text == "柳湾公开板|zh-Hans|6月17日"
        browser.get("/display?locale=en")
        assert browser.get("/show").text == "Public board|en|17 Jun"
        assert browser.get("/lamps").text == "&lt;2&gt; <lamps>"
        browser.get("/display?locale=zh-Hant")
        assert browser.get("/show").text == "公開板|zh-Hant|6月17日"
        i18n.use_locale("en")
        assert [i18n.translate_count("{count}件", "{count}件", count) for count in (1, 2)] == [
            "one matter",
            "many matters",
        ]
        i18n.use_locale("zh_Hans")


def test_a_broken_catalogue_is_named_at_start(city: TinyCity) -> None:
    path = city.folder / "locale" / "en" / "LC_MESSAGES" / "messages.po"
    write(path, '<<<<<<< HEAD\nmsgid "公开板"\nmsgstr "Board"\n')
    with pytest.raises(ConfigurationError, match=r"messages\.po"), city.client():
        pass


def test_display_is_one_cookie_and_leads_back(browser: Browser) -> None:
    answer = browser.get("/display?elder=1&light=night&locale=en&next=/search?word=a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/search?word=a")
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("yetan-display=")
    page = browser.get("/").text
    assert 'data-light="night" data-elder' in page
    assert '<html lang="en"' in page
    browser.get("/display?elder=0&skin=<script>&light=disco&size=huge")
    page = browser.get("/").text
    assert "data-elder" not in page
    assert 'data-light="night"' in page
    assert "<script>" not in page
    browser.get("/display?size=largest")
    assert 'data-size="largest"' in browser.get("/").text
    browser.get("/display?size=standard")
    assert "data-size" not in browser.get("/").text
    away = browser.get("/display?light=day&next=//evil.example")
    assert away.headers["location"] == "/"
    back = browser.get("/display?light=day", headers={"Referer": "http://testserver/raise?x=1"})
    assert back.headers["location"] == "/raise?x=1"


def test_a_reader_chooses_among_the_languages_the_city_offers(city: TinyCity) -> None:
    city.about = changed(city.about, locales=("zh_Hans", "en"))
    with city.client() as browser:
        assert '<button class="plain" name="locale" value="en" lang="en">English</button>' in browser.get("/").text
        assert "繁體中文" not in browser.get("/").text
        browser.get("/display?locale=zh-Hant")
        assert '<html lang="zh-Hans"' in browser.get("/").text
        browser.get("/display?locale=en")
        page = browser.get("/").text
        assert '<html lang="en"' in page
        assert 'lang="zh-Hans">简体中文</button>' in page
        assert "English" not in page


def test_a_nonsense_display_cookie_is_passed_over(browser: Browser) -> None:
    browser.cookies.set("yetan-display", "elder=2&light=%22%3E%3Cscript%3E&locale=../../x&&&")
    page = browser.get("/").text
    assert '<html lang="zh-Hans" class="public" data-light="day">' in page
