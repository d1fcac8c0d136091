"""The gallery of components: every macro of `components.html`, with what it is for, how it is called, and how it looks.

One page for each theme and light, one with large letters and one in the elder view, drawn by the macros themselves and
styled by the themes' own stylesheets. `make docs` writes them beside the documentation.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from yetan.act import Actor
from yetan.errors import Invalid
from yetan.i18n import LOCALES, language_tag
from yetan.plain_words import plain_words
from yetan.web.display import Display
from yetan.web.forms import Field, Form
from yetan.web.steps import Questions

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "core" / "yetan" / "templates"
THEMES = ROOT / "themes" / "yetan_themes"

NOW = datetime(2026, 6, 18, 12, tzinfo=UTC)
_MACRO = re.compile(r"\{#-((?:(?!#\}).)*?)-#\}\s*\{%- macro (\w+)\(", re.DOTALL)
_NAMED = re.compile(r"\{%- macro (\w+)\(")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the gallery: a theme, and what the reader chose."""

    name: str
    title: str
    theme: str
    display: Display


PAGES = (
    Page("day", "灯，日间", "lantern", Display()),
    Page("night", "灯，夜间", "lantern", Display(light="night")),
    Page("contrast", "灯，高对比", "lantern", Display(light="contrast")),
    Page("blue", "灯，蓝", "lantern", Display(skin="blue")),
    Page("red", "灯，红", "lantern", Display(skin="red")),
    Page("elder", "灯，长辈版", "lantern", Display(elder=True)),
    Page("largest", "灯，特大字", "lantern", Display(size="largest")),
    Page("seal", "印，日间", "seal", Display()),
    Page("seal-night", "印，夜间", "seal", Display(light="night")),
)


def environment(folders: Sequence[Path] = (TEMPLATES,)) -> Environment:
    """The components by themselves: without a city, said in the language they are written in."""
    environment = Environment(
        loader=ChoiceLoader(
            [*map(FileSystemLoader, folders), PrefixLoader({"core": FileSystemLoader(TEMPLATES)}, ":")]
        ),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: text, lambda one, many, count: one if count == 1 else many, newstyle=True
    )
    environment.filters["date"] = lambda day: f"{day.month}月{day.day}日"
    environment.filters["datetime"] = lambda at: f"{at.month}月{at.day}日 {at:%H:%M}"
    environment.filters["full_date"] = lambda day: f"{day.year}年{day.month}月{day.day}日"
    environment.filters["number"] = lambda number: f"{number:,}"
    environment.globals["this_year"] = lambda: NOW.year
    environment.globals["plain_words_of"] = plain_words().get
    environment.globals["data_language"] = lambda: ""
    for name in ("csrf_field", "key_field", "typed_form"):
        environment.globals[name] = lambda: ""
    environment.globals["languages"] = tuple((language_tag(locale), name) for locale, name in LOCALES.items())
    environment.globals["url"] = lambda name, **values: "#"
    environment.globals["static"] = lambda name: name
    environment.globals["kept_each"] = lambda draw, items, *rest, key=None: _drawn(draw, items, *rest)
    return environment


def _drawn(draw: Any, items: Any, *rest: Any) -> Markup:
    return Markup("").join(draw(item, *rest) for item in items)


def macros() -> Mapping[str, str]:
    """What each macro is for, as its comment says; "" for one without."""
    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("shapes.html", "components.html"))
    told = {name: " ".join(comment.split()) for comment, name in _MACRO.findall(text)}
    return {name: told.get(name, "") for name in _NAMED.findall(text)}


def shown() -> Mapping[str, str]:
    """What the gallery calls of each macro, by its name, in order."""
    _, *parts = re.split(
        r"^=== (\w+)\n", (ROOT / "docs" / "gallery.html").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def samples(display: Display) -> dict[str, Any]:
    """What the calls name: issues, forms and figures of an invented town."""
    states = [
        _state("reported", "登记", "open"),
        _state("listed", "立项", "open"),
        _state("handling", "办理中", "open"),
        _state("handling", "办理中", "open", late=True),
        _state("handling", "办理中", "open", returned=True),
        _state("resolved", "待验收", "awaiting"),
        _state("struck_off", "已销号", "closed_good"),
        _state("transferred", "已转办", "open"),
        _state("reported_up", "已上报", "open"),
        _state("merged", "已并案", "closed"),
        _state("declined", "不予受理", "closed"),
    ]
    fields = (
        Field("title", "什么事", hint="一句话说清"),
        Field("text", "说仔细些", "long_text", max_length=1000, required=False),
        Field("unit", "哪个村、社区", "choice", choices=tuple((str(each), f"社区{each}") for each in range(9))),
        Field("kind", "问题还是建议", "choice", choices=(("problem", "问题"), ("suggestion", "建议"))),
        Field("deadline", "期限", "date"),
        Field("photo_note", "照片说明", required=False),
        Field("told", "有进展时发短信告诉我", "boolean", required=False),
    )
    questions = (
        Field("matter", "一句话说是什么事"),
        Field("kind_asked", "是问题还是建议", "choice", choices=(("problem", "问题"), ("suggestion", "建议"))),
    )
    said = {"matter": "荷塘路三盏路灯不亮", "kind_asked": "problem"}
    asked, answered = Questions(questions, said), Questions(questions, said)
    asked.go_on("0", "", all_asked=False)
    answered.go_on("1", "", all_asked=False)
    wrong = Form((Field("where", "在什么地方", hint="例如“12号楼二单元”"),), {"where": ""})
    wrong.refuse(Invalid.field("where", "写上在什么地方，例如“12号楼二单元”。"))
    issue = SimpleNamespace(
        number="26-1183", title="荷塘路三盏路灯不亮", href="#", state=states[2], unit_name="荷塘社区",
        category_name="路灯", raised_at=date(2026, 6, 3), deadline=date(2026, 6, 25), snippet=None, content=None,
    )  # fmt: skip
    found = SimpleNamespace(**{
        **vars(issue), "number": "26-0962", "state": states[6], "deadline": None,
        "snippet": (("荷塘路口", False), ("路灯", True), ("被树挡住。", False)),
    })  # fmt: skip
    steps = ("登记", "立项", "办理", "办结", "反馈", "验收", "销号")
    return {
        "now": NOW,
        "today": date(2026, 6, 18),
        "last_year": date(2025, 11, 2),
        "raised": date(2026, 6, 3),
        "deadline": date(2026, 6, 25),
        "resolved": date(2026, 6, 11),
        "display": display,
        "actor": Actor(name="许建平"),
        "places": [
            SimpleNamespace(label=label, href="#", current=label == "查事情") for label in ("首页", "查事情", "各单位")
        ],
        "tabs": [
            SimpleNamespace(label="本单位", href="#", current=True, count=46, late=False),
            SimpleNamespace(label="逾期", href="#", current=False, count=2, late=True),
        ],
        "form": Form(fields, {"title": "荷塘路路灯不亮", "kind": "problem", "told": "1"}),
        "filters": Form(fields[2:4], {}),
        "wrong": wrong,
        "city": SimpleNamespace(editor="陈小满", error_report="#", error_report_on=lambda subject: "#"),
        "asked": asked,
        "answered": answered,
        "states": states,
        "steps_now": [
            SimpleNamespace(label=each, status="done" if place < 2 else "now" if place == 2 else "ahead",
                            when=date(2026, 6, 3 + place) if place < 3 else None, who="周明远" if place < 2 else None,
                            note="第2次办理" if place == 2 else None)
            for place, each in enumerate(steps)
        ],
        "steps_lit": [
            SimpleNamespace(label=each, status="end" if each == "销号" else "done", when=date(2026, 6, 3 + place),
                            who=None, note=None)
            for place, each in enumerate(steps)
        ],
        "timeline": [
            SimpleNamespace(at=NOW, label="销号", text="5位居民代表都同意。", who="居民", kind="lit"),
            SimpleNamespace(at=NOW, label="退回再办", text="5号灯一闪一闪。", who="居民", kind="returned"),
            SimpleNamespace(at=NOW, label="办结", text="更换三个灯头。", who="市城管局", kind="plain"),
        ],
        "issue": issue,
        "found": found,
        "photos": [
            SimpleNamespace(src="photo.svg", alt="巷口的路灯", caption="修好后", width=240, height=160, href="#"),
        ],
        "figures": [
            SimpleNamespace(value=128, unit="件", label="提出", note="另有建议54条", href="#"),
            SimpleNamespace(value=86, unit="件", label="销号", note="居民点了头", href="#"),
            SimpleNamespace(value=None, unit="天", label="平均几天", note="不满10件，不算", href=None),
        ],
        "shares": [SimpleNamespace(label="荷塘社区", href="#", value=47, total=49),
                   SimpleNamespace(label="樟林村", href=None, value=21, total=22)],
        "months": [{"label": f"{month}月", "first": 4 * month % 17, "second": 3 * month % 13} for month in range(1, 7)],
        "street": [
            {"category": category, "late": late, "label": label, "count": count, "href": "#"}
            for category, late, label, count in (
                ("closed_good", False, "已销号", 9), ("awaiting", False, "待验收", 3), ("open", False, "办理中", 5),
                ("open", True, "逾期", 2), ("closed", False, "不受理", 1),
            )
        ],
    }  # fmt: skip


def _state(name: str, label: str, category: str, *, late: bool = False, returned: bool = False) -> SimpleNamespace:
    return SimpleNamespace(name=name, label=label, category=category, late=late, returned=returned)


def told(theme: str) -> dict[str, Any]:
    """What a theme's theme.toml says."""
    return tomllib.loads((THEMES / theme / "theme.toml").read_text(encoding="utf-8"))


def drawn(page: Page) -> str:
    """One page of the gallery, as HTML."""
    templates = environment([THEMES / page.theme / "templates", TEMPLATES])
    about, names = macros(), samples(page.display)
    parts = []
    for name, call in shown().items():
        source = (
            '{%- import "components.html" as c -%}{%- import "shapes.html" as s -%}{%- set shapes = s.shapes -%}' + call
        )
        parts.append(
            f'<section class="section"><div class="section-head ruled"><h2 id="{name}">{name}</h2></div>'
            f'<p class="note">{escape(about[name])}</p>{templates.from_string(source).render(names)}'
            f"<details><summary>Jinja2</summary><pre>{escape(call)}</pre></details></section>"
        )
    sheets = "".join(f'<link rel="stylesheet" href="{each}">' for each in told(page.theme)["stylesheets"])
    display = page.display
    chosen = "".join((
        f' data-skin="{display.skin}"' if display.skin else "",
        f' data-size="{display.size}"' if display.size else "",
        " data-elder" if display.elder else "",
    ))  # fmt: skip
    others = "".join(f'<li><a href="{each.name}.html">{each.title}</a></li>' for each in PAGES if each != page)
    return (
        f'<!doctype html>\n<html lang="zh-Hans" class="public" data-light="{display.light or "day"}"{chosen}>'
        f'<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{page.title}</title>{sheets}</head><body><main class="wrap"><h1>{page.title}</h1>'
        f'<ul class="facts">{others}</ul>{"".join(parts)}</main></body></html>\n'
    )


def write(folder: Path) -> None:
    """The whole gallery, with the stylesheets it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in {page.theme for page in PAGES}:
        for path in (THEMES / theme / "static").iterdir():
            shutil.copyfile(path, folder / path.name)
    shutil.copyfile(THEMES / "lantern" / "static" / "icon.svg", folder / "photo.svg")
    shutil.copyfile(ROOT / "core" / "yetan" / "static" / "suggestions.js", folder / "suggestions.js")
    for page in PAGES:
        (folder / f"{page.name}.html").write_text(drawn(page), encoding="utf-8")
