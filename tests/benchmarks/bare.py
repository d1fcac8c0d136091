"""The bare page: Starlette and Jinja2 alone."""

from __future__ import annotations

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

#: Twenty rows from memory, about 12 KB, as anybody would write it first.
BARE = """<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8"><title>{{ title }}</title></head><body>
<h1>{{ title }}</h1><form>{% for unit in units %}<label><input type="checkbox" name="unit" value="{{ unit.code }}">
{{ unit.name }}</label>{% endfor %}</form><ul>{% for row in rows %}
<li class="issue {{ row.state }}"><a href="/issues/{{ row.number }}">{{ row.title }}</a>
<span class="tag tag-{{ row.state }}">{{ row.state_label }}</span><span class="unit">{{ row.unit }}</span>
<time datetime="{{ row.raised }}">{{ row.raised }}</time>{% if row.days %}<span class="days">{{ row.days }}天办结</span>
{% endif %}<p>{{ row.text }}</p></li>{% endfor %}</ul></body></html>"""


def application() -> ASGIApp:
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
