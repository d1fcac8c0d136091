"""The processes that are measured: the town's site, and the bare page it is compared with."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from yetan.app import build_app
from yetan.testing import Town

#: Without search: its index would be built while pages are measured.
PLUGINS = ("supervision",)

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


def main() -> None:
    """`python -m tests.benchmarks.serving PORT [DATABASE FOLDER]`: the bare page, or the town in that folder."""
    port, *town = sys.argv[1:]
    app = build_app(Town(town[0], Path(town[1]), plugins=PLUGINS).configuration) if town else bare()
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False, proxy_headers=False)


if __name__ == "__main__":
    main()
