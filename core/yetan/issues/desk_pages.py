"""The staff desk: work queues, searching, exports, and what one's own posts are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct
from starlette.responses import JSONResponse, Response
from tortoise.expressions import Q

from yetan.access.roles import role_labels
from yetan.access.scope import holds, visible
from yetan.errors import Forbidden, Invalid, Refused
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.bulk import bulk_actions
from yetan.issues.chosen import chosen_ids
from yetan.issues.issue_panel import panel_of
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Category, Issue
from yetan.issues.queues import (
    PAGE_SIZE,
    Queue,
    counts,
    issues_in,
    page_of,
    queue_named,
    queues_of,
    rows_of,
    units_below,
)
from yetan.issues.saved_filters import listens_to_keys, saved_filters, set_keys
from yetan.issues.search_form import search_address, search_form, typed_in
from yetan.notices.service import unread
from yetan.people.models import Account, Household, Link, Person
from yetan.people.service import LINK_KINDS, posts_on, today, valid_on
from yetan.plugins.checks import SIGNED_IN
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication.views import RowView, local_day, marked, state_view
from yetan.runtime import current
from yetan.searching.narrowing import Narrowing, narrowings
from yetan.searching.service import Filters, Results, desk_suggestions, search_desk, sort_in
from yetan.spreadsheets import Cell
from yetan.units.models import Unit
from yetan.web.downloads import listed
from yetan.web.forms import Field
from yetan.web.panels import panels
from yetan.web.request import Request

AFTER = Field("after", "从哪一件接着看", "number", required=False, minimum=0)
KEYS = Field("keys", "列表里可以用快捷键", "boolean", required=False)
OPEN = Field("open", "打开哪一件", "number", required=False, minimum=1)
_NARROWINGS: tuple[Narrowing, ...] = message_ids(
    (
        ("unit", "单位", "unit"),
        ("category", "类别", "category"),
        ("state", "到哪一步", "state"),
        ("matter", "问题还是建议", "kind"),
        ("year", "哪一年", "raised_from"),
    )
)
SKIP = Field("skip", "从第几件接着看", "number", required=False, minimum=0, maximum=1000)
_BEGINNING = Field("q", "查什么", required=False, max_length=200)
QUEUE = Field("queue", "哪个列表", required=False, max_length=20)
#: More than this many rows are no list to work from; and they would keep the server busy.
MOST_EXPORTED = 2000


class Tab(Struct, frozen=True):
    """A queue in the row of tabs, or a search one keeps."""

    label: str
    href: str
    current: bool
    count: int | None = None
    late: bool = False


async def desk(request: Request) -> Response:
    """One's own queue. Who has none is led to where their work is."""
    if not holds(request.act.actor, "issue.view"):
        return _elsewhere(request)
    return await _queue(request, queue_named(request.act, "mine"))


def _elsewhere(request: Request) -> Response:
    """Administrators go to the administration, residents to their own issues."""
    for item in request.templating.registry.navigation:
        if item.area == "admin" and holds(request.act.actor, item.permission):
            return request.redirect(item.route)
    return request.redirect("desk.profile" if request.act.actor.is_staff else "my_issues")


async def queue(request: Request) -> Response:
    """A queue by its name."""
    return await _queue(request, queue_named(request.act, request.path_params["queue"]))


async def _queue(request: Request, shown: Queue) -> Response:
    values = (await request.form((AFTER, OPEN))).clean()
    page = await page_of(request.act, shown, values["after"])
    numbers = await counts(request.act)
    path = request.templating.addresses.path
    more = path("desk.queue", queue=shown.name, after=page.next) if page.next is not None else None
    panel = await panel_of(request, values["open"]) if values["open"] is not None else None
    return request.render(
        "desk/queue.html",
        queue=shown,
        tabs=await _tabs(request, numbers, shown),
        rows=await rows_of(request.act, page.issues, shown),
        total=numbers[shown.name],
        first=values["after"] is None,
        more=more,
        unread=await unread(request.act),
        panels=await panels(request, "desk", None) if shown.name == "mine" else (),
        keys=await listens_to_keys(request.act),
        may_export=holds(request.act.actor, "issue.export"),
        bulk=_bulk(request),
        panel=panel,
        opened=lambda row: path("desk.queue", queue=shown.name, after=values["after"], open=row.id) + f"#row-{row.id}",
    )


async def _tabs(
    request: Request, numbers: Mapping[str, int], shown: Queue | None = None, query: Mapping[str, str] | None = None
) -> list[Tab]:
    """The queues with what stands in them, and behind them the searches one keeps; one of them is shown."""
    path = request.templating.addresses.path
    tabs = [
        Tab(_(each.label), path("desk.queue", queue=each.name), each == shown, numbers[each.name], each.late)
        for each in queues_of(request.act)
    ]
    kept = await saved_filters(request.act)
    return tabs + [Tab(each.name, search_address(request, each.query), each.query == query) for each in kept]


def _bulk(request: Request) -> list[tuple[str, str, str]]:
    """What may be done to several issues of a list: label, address, kind of button."""
    path = request.templating.addresses.path
    found = [(_(each.label), path("desk.bulk", action=each.name)) for each in bulk_actions(request.act)]
    found.append((_("打印清单"), path("desk.print_list")))
    if holds(request.act.actor, "issue.export"):
        found.append((_("导出选中的"), path("desk.export")))
    return [(label, href, "outline") for label, href in found]


# Searching


async def search(request: Request) -> Response:
    """Every issue one may see, narrowed; words are marked where they were found."""
    form = await search_form(request)
    skip = (await request.form((SKIP,))).clean()["skip"] or 0
    asked = any(form.values.values())
    results: Results | None = None
    status = 200
    try:
        typed = form.clean()
        if asked:
            results = await search_desk(
                request.act, typed["q"], _filters(typed), limit=PAGE_SIZE, offset=skip, counted=True
            )
    except Invalid as error:
        form.refuse(error)
        status = error.status
    path = request.templating.addresses.path
    last = skip + PAGE_SIZE > (SKIP.maximum or 0)
    further = results is not None and results.more
    return request.render(
        "desk/search.html",
        status,
        tabs=await _tabs(request, await counts(request.act), query=typed_in(form)),
        form=form,
        keys=await listens_to_keys(request.act),
        keeping=typed_in(form) if results is not None else None,
        results=results,
        rows=await _found(request, results) if results is not None else [],
        shown=skip + (len(results.found) if results is not None else 0),
        narrowings=narrowings(results, _NARROWINGS, form.values, partial(_narrowed, path)) if results else [],
        guesses=[(text, path("desk.search", q=text)) for text in results.guessed] if results else [],
        elsewhere=await _people(request, str(form.values["q"] or "")) if results else [],
        more=path("desk.search", **form.values, skip=skip + PAGE_SIZE) if further and not last else None,
        cut_off=further and last,
        first=path("desk.search", **form.values) if skip else None,
        export=path("desk.export", **form.values) if holds(request.act.actor, "issue.export") else None,
    )


def _narrowed(path: Callable[..., str], **values: object) -> str:
    """The address of a further narrowing; a year is its days, from the first to the last."""
    match values:
        case {"raised_from": str(year)} if year.isdecimal():
            values |= {"raised_from": f"{year}-01-01", "raised_until": f"{year}-12-31"}
    return path("desk.search", **values)


async def _people(request: Request, words: str) -> list[tuple[str, int, str]]:
    """How many persons and households the words fit, on their own pages: there every look is recorded (C46)."""
    if len(words) < 2:
        return []
    path, act = request.templating.addresses.path, request.act
    found = []
    if holds(act.actor, "person.privacy"):
        persons = visible(Person, act).filter(Q(name__icontains=words) | Q(phone=words), erased_at=None)
        found.append((_("个人信息"), await persons.count(), path("admin.persons", q=words)))
    if holds(act.actor, "household.manage"):
        households = visible(Household, act).filter(address__icontains=words)
        found.append((_("住户"), await households.count(), path("desk.households", q=words)))
    return [each for each in found if each[1]]


async def suggest(request: Request) -> Response:
    """How what somebody began to write may go on, as /api/v1/suggest answers, from every issue they may see."""
    values = (await request.form((_BEGINNING,))).clean()
    return JSONResponse({"items": await desk_suggestions(request.act, values["q"])})


def _filters(typed: Mapping[str, Any]) -> Filters:
    since, until = typed["raised_from"], typed["raised_until"]
    start_of_day = current().calendar.start_of_day
    return Filters(
        unit=typed["unit"],
        category=typed["category"],
        state=typed["state"],
        matter=typed["kind"],
        raised_from=start_of_day(since) if since else None,
        raised_until=start_of_day(until + timedelta(days=1)) if until else None,
        sort=sort_in(typed),
    )


async def _found(request: Request, results: Results) -> list[RowView]:
    units = {each.row.unit_id for each in results.found}
    names = {unit.id: unit.name for unit in await Unit.filter(id__in=units)}
    rows = []
    for each in results.found:
        state = state_of(each.row.state)
        rows.append(
            RowView(
                number=each.row.number,
                title=marked(each.title),
                href=request.templating.addresses.path("desk.issue", id=each.row.id),
                state=state_view(state, each.row.deadline, each.row.round, request.act.now),
                unit_name=names[each.row.unit_id],
                raised_at=local_day(each.row.raised_at),
                deadline=local_day(each.row.deadline) if state.category == "open" else None,
                snippet=each.snippet,
            )
        )
    return rows


# Exporting

_HEADINGS = message_ids(
    (
        *("编号", "来源编号", "标题", "内容", "地点", "提出单位", "责任单位", "责任人", "类别", "状态", "第几次办理"),
        *("提出时间", "立项时间", "完成时限", "办结时间", "销号时间", "具体措施", "办理结果"),
    )
)


async def export(request: Request) -> Response:
    """A queue, a search or what was ticked as a spreadsheet, without anybody's contact. Who took it is recorded."""
    chosen = (await request.form((QUEUE,))).clean()["queue"]
    ticked = await chosen_ids(request)
    if ticked is not None:
        wanted = visible(Issue, request.act).filter(id__in=ticked)
        name = _("选中的事")
    elif chosen:
        wanted = await issues_in(request.act, queue_named(request.act, chosen))
        name = _(queue_named(request.act, chosen).label)
    else:
        typed = (await search_form(request)).clean()
        results = await search_desk(request.act, typed["q"], _filters(typed), limit=MOST_EXPORTED + 1)
        wanted = Issue.filter(id__in=[each.row.id for each in results.found])
        name = _("查询结果")
    allowed = units_below(request.act, "issue.export")
    rows = await (
        wanted.filter(Q(unit_id__in=allowed) | Q(responsible_unit_id__in=allowed))
        .order_by("raised_at", "id")
        .limit(MOST_EXPORTED + 1)
    )
    if len(rows) > MOST_EXPORTED:
        raise Refused(
            "超过 {most} 件，一次导不完。请先在“查”里按单位或日期缩小范围，再分几次导出。", most=MOST_EXPORTED
        )
    return await listed(request, "issues", name, [_(each) for each in _HEADINGS], await _cells(rows))


async def _cells(issues: Sequence[Issue]) -> list[list[Cell]]:
    units = {unit.id: unit.name for unit in await Unit.all()}
    categories = {row.id: row.path for row in await Category.all()}
    owners = Account.filter(id__in={issue.owner_id for issue in issues if issue.owner_id is not None})
    names = {row.id: row.person.name for row in await owners.select_related("person")}
    zone = current().configuration.city.zone

    def local(at: datetime | None) -> datetime | None:
        return at.astimezone(zone).replace(tzinfo=None) if at is not None else None

    return [
        [
            issue.number,
            issue.source_number,
            issue.title,
            issue.text,
            issue.place,
            units[issue.unit_id],
            units[issue.responsible_unit_id],
            names.get(issue.owner_id or 0, ""),
            categories.get(issue.category_id or 0, ""),
            _(state_of(issue.state).label),
            issue.round,
            local(issue.raised_at),
            local(issue.listed_at),
            local(issue.deadline),
            local(issue.resolved_at),
            local(issue.struck_off_at),
            issue.measures,
            issue.outcome,
        ]
        for issue in issues
    ]


# Oneself


async def profile(request: Request) -> Response:
    """One's posts and links, and the way to one's password."""
    account = request.act.actor.account_id
    if account is None:
        raise Forbidden("请先登录。")
    day = today(request.act)
    posts = await posts_on([account], day)
    links = await Link.filter(valid_on(day), account_id=account).select_related("unit", "household__unit")
    names = {unit.id: unit.name for unit in await Unit.filter(id__in=[post.unit_id for post in posts])}
    labels = role_labels()
    return request.render(
        "desk/profile.html",
        keys=await listens_to_keys(request.act),
        works=holds(request.act.actor, "issue.view"),
        posts=[
            (names[post.unit_id], _(labels.get(post.role, post.role)), post.title, post.since, post.until)
            for post in posts
        ],
        links=[(_(dict(LINK_KINDS).get(link.kind, link.kind)), _linked(link), link.since) for link in links],
    )


async def submit_keys(request: Request) -> Response:
    """Have one's lists listen to single keys, or not."""
    await set_keys(request.act, (await request.form((KEYS,))).clean()["keys"])
    return request.redirect("desk.profile")


def _linked(link: Link) -> str:
    """What a link leads to. A household is named by its unit: its address is not for a list."""
    if link.household is not None:
        return _("{unit}的一户", unit=link.household.unit.name)
    return link.unit.name if link.unit is not None else ""


PAGES: tuple[Page, ...] = (
    Page("/desk", desk, "desk", permission=SIGNED_IN, site="desk"),
    Page("/desk/queue/{queue}", queue, "desk.queue", permission="issue.view"),
    Page("/desk/search", search, "desk.search", permission="issue.view"),
    Page("/desk/search/suggest", suggest, "desk.search.suggest", permission="issue.view"),
    Page("/desk/export", export, "desk.export", permission="issue.export", sensitive=True),
    Page("/desk/me", profile, "desk.profile", permission=SIGNED_IN, site="desk"),
    Page("/desk/me/keys", submit_keys, "desk.profile.keys", methods=("POST",), permission="issue.view"),
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("desk", "办事", "desk", permission="issue.view", position=10),
    NavigationItem("desk", "查", "desk.search", permission="issue.view", position=30),
    NavigationItem("desk", "我的岗位", "desk.profile", permission=SIGNED_IN, position=90),
)
