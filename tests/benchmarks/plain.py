"""The list as anybody would write it first: Starlette, Jinja2 and Tortoise's models, on the town's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.benchmarks.bare import BARE
from tortoise import Tortoise, fields
from tortoise.models import Model


class PublicIssue(Model):
    """As much of the board's table as the page shows."""

    issue_id = fields.IntField(primary_key=True)
    number = fields.CharField(max_length=20)
    title = fields.CharField(max_length=200)
    text = fields.TextField()
    state = fields.CharField(max_length=40)
    unit_name = fields.CharField(max_length=80)
    raised_at = fields.DatetimeField()

    class Meta:
        table = "yetan_public_issue"


class Unit(Model):
    """As much of a unit as the form shows."""

    id = fields.IntField(primary_key=True)
    code = fields.CharField(max_length=40)
    name = fields.CharField(max_length=80)

    class Meta:
        table = "yetan_unit"


def application(url: str) -> ASGIApp:
    """The page on the database at `url`."""
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
        await Tortoise.init(
            db_url=url.replace("postgresql://", "asyncpg://"),
            modules={"models": [__name__]},
            use_tz=True,
            _enable_global_fallback=True,
        )
        yield
        await Tortoise.close_connections()

    return Starlette(routes=[Route("/", page)], lifespan=lifespan)
