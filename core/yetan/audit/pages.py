"""The audit records, for the auditor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

from starlette.responses import Response

from yetan.audit.models import AuditRecord
from yetan.audit.reading import VIEW, RecordFilters, read_records
from yetan.errors import Invalid
from yetan.people.models import Account
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.web.forms import Field, Form
from yetan.web.request import Request

PAGE_SIZE = 50
FILTER_FIELDS = (
    Field("actor", "谁（登录名）", required=False, max_length=60),
    Field("subject", "对什么", required=False, max_length=80, hint="如 Issue:12；写 Issue: 看所有事项。"),
    Field("since", "从哪天起", "date", required=False),
    Field("until", "到哪天止", "date", required=False),
)
_BEFORE = Field("before", "从哪一条接着看", "number", required=False)


async def audit(request: Request) -> Response:
    """Who did, looked at or was refused what, when, from where: newest first."""
    form = await request.form((*FILTER_FIELDS, _BEFORE))
    status, rows, more = 200, [], None
    try:
        asked = form.clean()
        start_of_day = current().calendar.start_of_day
        filters = RecordFilters(
            actor=await _actor(asked["actor"]),
            subject=asked["subject"],
            since=start_of_day(asked["since"]) if asked["since"] else None,
            until=start_of_day(asked["until"] + timedelta(days=1)) if asked["until"] else None,
        )
    except Invalid as error:
        form.refuse(error)
        status = error.status
    else:
        rows = await read_records(request.act, filters, before=asked["before"], limit=PAGE_SIZE + 1)
        if len(rows) > PAGE_SIZE:
            kept = {name: asked[name] for name in ("actor", "subject", "since", "until")}
            more = request.templating.addresses.path("admin.audit", **kept, before=rows[PAGE_SIZE - 1].id)
    return request.render(
        "admin/audit.html",
        status=status,
        form=_drawn(form),
        records=rows[:PAGE_SIZE],
        names=await _names(rows),
        more=more,
    )


def _drawn(form: Form) -> Form:
    """The filters as they were typed; not where the list goes on."""
    return Form(FILTER_FIELDS, form.values, errors=form.errors, message=form.message)


async def _actor(typed: str) -> str:
    """The label in records of what was typed: a sign-in name, or a label itself."""
    if not typed or typed in ("system", "anonymous") or re.fullmatch(r"(account|person):\d+", typed):
        return typed
    account = await Account.get_or_none(username=typed)
    if account is None:
        raise Invalid.field(
            "actor", "没有“{typed}”这个登录名。也可以写 system（系统）或 anonymous（未登录的人）。", typed=typed
        )
    return f"account:{account.id}"


async def _names(rows: Iterable[AuditRecord]) -> Mapping[str, str]:
    """The sign-in names of the accounts among the actors, by label."""
    labels = {row.actor for row in rows if row.actor.startswith("account:")}
    accounts = await Account.filter(id__in=[int(label.removeprefix("account:")) for label in labels])
    return {f"account:{account.id}": account.username for account in accounts}


PAGES: tuple[Page, ...] = (Page("/admin/audit", audit, "admin.audit", permission=VIEW, sensitive=True),)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "审计", "admin.audit", VIEW, position=100),)
