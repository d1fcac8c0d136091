"""The processes that are measured: the town's site, and what it is compared with."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from yetan.app import build_app
from yetan.db.connection import CORE_APPLICATION, connected
from yetan.publication.models import PublicIssue
from yetan.testing import Town
from yetan.testing.town import StandingClock
from yetan.units.models import Unit

#: Twenty rows from memory, about 12 KB, as anybody would write it first.
BARE = """<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8"><title>{{ title }}</title></head><body>
<h1>{{ title }}</h1><form>{% for unit in units %}<label><input type="checkbox" name="unit" value="{{ unit.code }}">
{{ unit.name }}</label>{% endfor %}</form><ul>{% for row in rows %}
<li class="issue {{ row.state }}"><a href="/issues/{{ row.number }}">{{ row.title }}</a>
<span class="tag tag-{{ row.state }}">{{ row.state_label }}</span><span class="unit">{{ row.unit }}</span>
<time datetime="{{ row.raised }}">{{ row.raised }}</time>{% if row.days %}<span class="days">{{ row.days }}天办结</span>
{% endif %}<p>{{ row.text }}</p></li>{% endfor %}</ul></body></html>"""


def bare() -> ASGIApp:
    """One page of Starlette and Jinja2 alone."""
    template = jinja2.Environment(autoescape=True).from_string(BARE)
    rows = [
        {
            "number": f"LW{number:07}",
            "title": f"老桥头的第{number}盏路灯坏了半个月，晚上不亮",
            "state": "handling",
            "state_label": "办理中",
            "unit": "溪尾村",
            "raised": "2026-05-06",
            "days": number,
            "text": "村口到老桥的路灯坏了半个月，晚上老人不敢走。" * 4,
        }
        for number in range(20)
    ]
    units = [{"code": f"unit{number}", "name": f"第{number}村"} for number in range(12)]

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(template.render(title="查事情", rows=rows, units=units))

    return Starlette(routes=[Route("/", page)])


def plain(url: str) -> ASGIApp:
    """The list as anybody would write it: Starlette, Jinja2 and Tortoise's models, on the town's own database."""
    template = jinja2.Environment(autoescape=True).from_string(BARE)

    async def page(request: Request) -> HTMLResponse:
        rows = [
            {
                "number": issue.number,
                "title": issue.title,
                "state": issue.state,
                "state_label": issue.state,
                "unit": issue.unit_name,
                "raised": issue.raised_at.date().isoformat(),
                "days": 0,
                "text": issue.text,
            }
            for issue in await PublicIssue.all().order_by("-raised_at", "-issue_id").limit(20)
        ]
        return HTMLResponse(template.render(title="查事情", rows=rows, units=await Unit.all().limit(12)))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with connected(url, [CORE_APPLICATION]):
            yield

    return Starlette(routes=[Route("/", page)], lifespan=lifespan)


def town(url: str, folder: str, plugins: str, search: str, worker: bool) -> ASGIApp:
    """The town in `folder`, on its own standing clock, so that a filled database is never out of date."""
    names = tuple(plugins.split(",")) if plugins else ()
    configuration = Town(url, Path(folder), plugins=names, search=search).configuration
    return build_app(configuration, StandingClock(), worker=worker)


def main() -> None:
    """`python -m tests.benchmarks.serving PORT bare|plain|town ...`: the application of that name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("what", choices=("bare", "plain", "town"))
    parser.add_argument("--url", default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--plugins", default="")
    parser.add_argument("--search", default="")
    parser.add_argument("--worker", action="store_true")
    given = parser.parse_args()
    if given.what == "town":
        app = town(given.url, given.folder, given.plugins, given.search, given.worker)
    else:
        app = plain(given.url) if given.what == "plain" else bare()
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, proxy_headers=False)


if __name__ == "__main__":
    main()
