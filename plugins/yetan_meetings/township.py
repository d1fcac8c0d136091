"""What a township lays down for its night talks and what it has to show for them: 夜谈工作方案 and 六个有 (002-C2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from starlette.responses import Response
from tortoise.functions import Count
from tortoise.queryset import QuerySet

from yetan.api import (
    Account,
    Act,
    Field,
    Form,
    NotFound,
    Page,
    Permission,
    RecordKind,
    Refused,
    Request,
    Unit,
    change,
    clean,
    holds,
    may,
    message_ids,
    published,
    require,
    submit,
    today,
    translate,
)
from yetan_activities.api import Activity, Attendance, occasions
from yetan_meetings.forms import FORMS
from yetan_meetings.leaders import OFFICIAL_ROLES
from yetan_meetings.models import Confirmation, LedgerEntry, MeetingReport, WorkPlan
from yetan_meetings.units import OVERSEE, Tree, load_tree, overseen

WORK_PLAN = "work_plan"
CONFIRM = "meetings.confirm"

KIND = RecordKind(
    WORK_PLAN,
    message_ids("夜谈工作方案"),
    WorkPlan,
    message_ids(
        (
            Field("title", "名称", max_length=60, hint="例如：石桥镇2026年居民夜谈会工作方案。"),
            Field("date", "哪天印发", "date"),
            Field("year", "哪一年的", "number", minimum=2000, maximum=2100),
            Field("text", "内容", "long_text", max_length=10_000),
        )
    ),
    counted_in=message_ids("份"),
    keepers=frozenset({"township_clerk"}),
    publishers=frozenset({"township_clerk", "publisher"}),
    position=58,
    menu=False,
)

HAVES: tuple[str, ...] = message_ids(
    (
        "有主要领导牵头抓",
        "有夜谈工作方案",
        "有班子成员负责组织",
        "有乡镇（街道）、村（社区）干部参与",
        "有居民夜谈活动",
        "有书面夜谈成果",
    )
)
#: Which of them somebody may confirm where no record says it.
BY_HAND = frozenset({1, 3})
#: How many years back the list of years goes.
_YEARS = 6
_YEAR = Field("year", "年份", "choice", required=False)
CONFIRM_FIELDS = (Field("note", "凭什么确认", max_length=200, hint="例如：党委书记牵头，见镇委〔2026〕8号文件。"),)


class Have(Struct, frozen=True):
    """One of the six: whether a township has it in a year, the figure that says so, and who confirmed it by hand.

    `proof` is the name and parameters of the page where the figure can be looked at.
    """

    which: int
    figure: str
    ok: bool
    proof: tuple[str, Mapping[str, Any]] | None = None
    confirmation: Confirmation | None = None

    @property
    def label(self) -> str:
        """What it is, as a message id."""
        return HAVES[self.which - 1]

    @property
    def by_hand(self) -> bool:
        """Whether somebody may confirm it."""
        return self.which in BY_HAND


async def checklists(tree: Tree, townships: Sequence[Unit], year: int, day: date) -> dict[int, list[Have]]:
    """The six of each township in a year, as they stand on `day`: some ten statements for any number of townships."""
    below = {township.id: [unit.id for unit in tree.below({township.id})] for township in townships}
    township_of = {unit: township for township, units in below.items() for unit in units}
    units, first, last = list(township_of), date(year, 1, 1), date(year, 12, 31)
    kinds = [kind.name for kind in FORMS]
    of_year = {"unit_id__in": units, "date__gte": first, "date__lte": last}
    held = [talk for talk in await occasions(kinds, units, first, last, day) if talk.state == "held"]
    talked = Counter(township_of[talk.unit_id] for talk in held)
    came = (
        Attendance.filter(present_at__isnull=False, role__in=list(OFFICIAL_ROLES))
        .filter(**{f"activity__{name}": value for name, value in of_year.items()})
        .annotate(people=Count("id"))
        .group_by("activity__unit_id", "role", "unit_id")
        .values("activity__unit_id", "role", "unit_id", "people")
    )
    officials, leaders = Counter[int](), Counter[int]()
    for row in await came:
        township = township_of[row["activity__unit_id"]]
        officials[township] += row["people"]
        if row["role"] == "leader" and row["unit_id"] == township:
            leaders[township] += row["people"]
    sent = MeetingReport.filter(sent_at__isnull=False, returned_at__isnull=True).filter(
        **{f"activity__{name}": value for name, value in of_year.items()}
    )
    reports = Counter(township_of[row["activity__unit_id"]] for row in await sent.values("activity__unit_id"))
    summaries = await _counted(Activity.filter(kind__in=kinds, **of_year).exclude(summary=""), township_of)
    entries = await _counted(LedgerEntry.filter(**of_year), township_of)
    plans = await _plans(list(below), year)
    confirmed = {(row.unit_id, row.which): row for row in await Confirmation.filter(unit_id__in=list(below), year=year)}

    def six(township: int) -> list[Have]:
        period = {"unit": township, "since": f"{first}", "until": f"{min(last, max(day, first))}"}
        led, came_to, plan = leaders[township], officials[township], plans.get(township)
        written = {"reports": reports[township], "summaries": summaries[township], "entries": entries[township]}
        by_hand = {which: confirmed.get((township, which)) for which in BY_HAND}
        return [
            Have(
                1,
                translate("主要领导到场{count}次", count=led),
                bool(led or by_hand[1]),
                ("meetings.leaders", {**period, "role": "leader"}) if led else None,
                by_hand[1],
            ),
            Have(
                2,
                translate("方案已经公开") if plan else translate("这一年的方案还没有公开"),
                plan is not None,
                (f"records.{WORK_PLAN}.record", {"id": plan}) if plan else (f"desk.{WORK_PLAN}", {}),
            ),
            Have(3, translate("记录里看不出来，要人确认"), by_hand[3] is not None, None, by_hand[3]),
            Have(4, translate("干部到场{count}次", count=came_to), came_to > 0, ("meetings.leaders", period)),
            Have(
                5,
                translate("开了{count}场", count=talked[township]),
                talked[township] > 0,
                ("meetings.cadence", {"unit": township}),
            ),
            Have(
                6,
                translate("{reports}份报告，{summaries}篇小结，{entries}条台账", **written),
                any(written.values()),
            ),
        ]

    return {township: six(township) for township in below}


async def _counted(rows: QuerySet[Any], township_of: Mapping[int, int]) -> Counter[int]:
    """How many of these rows each township has, counted by the database unit by unit."""
    found: Counter[int] = Counter()
    for row in await rows.annotate(rows=Count("id")).group_by("unit_id").values("unit_id", "rows"):
        found[township_of[row["unit_id"]]] += row["rows"]
    return found


async def _plans(townships: Sequence[int], year: int) -> dict[int, int]:
    """The plan of the year that each township has put before the public."""
    kept = {plan.id: plan.unit_id for plan in await WorkPlan.filter(unit_id__in=list(townships), year=year)}
    shown = await published(WORK_PLAN).filter(record_id__in=list(kept)).order_by("date", "record_id")
    return {kept[row.record_id]: row.record_id for row in shown}


# Confirming by hand


@change(Confirmation, action="meetings.confirm")
async def confirm(act: Act, township_id: int, year: int, which: int, values: Mapping[str, Any]) -> Confirmation:
    """Say by hand that a township has one of the six in a year, and by what. Saying it again changes the note.

    Raises `Refused` for what the records say by themselves, `NotFound` for a unit that is no township.
    """
    await require(act, CONFIRM, [township_id])
    cleaned = clean(CONFIRM_FIELDS, values)
    if which not in BY_HAND:
        raise Refused("这一条由记录算出来，不用人确认。")
    tree = await load_tree()
    if tree.units[township_id] not in tree.townships([township_id]):
        raise NotFound
    said, _created = await Confirmation.update_or_create(
        {"note": cleaned["note"], "at": act.now, "by_id": act.actor.account_id},
        unit_id=township_id,
        year=year,
        which=which,
    )
    return said


@change(Unit, action="meetings.take_back")
async def take_back(act: Act, township_id: int, year: int, which: int) -> Unit:
    """Take a confirmation back. Raises `Refused` where there is none."""
    await require(act, CONFIRM, [township_id])
    if not await Confirmation.filter(unit_id=township_id, year=year, which=which).delete():
        raise Refused("这一条没有人确认过，或者刚刚有人撤回了。")
    return await Unit.get(id=township_id)


# The pages


async def page(request: Request) -> Response:
    """The six of each township within reach, in a year."""
    tree, day = await load_tree(), today(request.act)
    # The present year is what the list shows where nothing is chosen.
    years = [(str(year) if year != day.year else "", str(year)) for year in range(day.year, day.year - _YEARS, -1)]
    form = await request.form((_YEAR,), choices={"year": years})
    year = int(form.clean()["year"] or day.year)
    townships = tree.townships(overseen(request.act, tree))
    lists = await checklists(tree, townships, year, day)
    return request.render(
        "meetings/six_haves.html",
        form=form,
        year=year,
        labels=HAVES,
        rows=[(township, lists[township.id]) for township in townships],
        whole=sum(all(have.ok for have in lists[township.id]) for township in townships),
        may_plan=holds(request.act.actor, f"{WORK_PLAN}.view"),
    )


async def sheet(request: Request) -> Response:
    """The six of one township, each with what proves it."""
    return await _sheet(request, "meetings/six_haves_sheet.html")


async def paper(request: Request) -> Response:
    """The same on paper."""
    return await _sheet(request, "meetings/six_haves_paper.html")


async def submit_confirm(request: Request) -> Response:
    """Confirm one of them."""
    _tree, township, year = await _named(request)
    which = request.path_params["which"]

    async def go(values: dict[str, Any]) -> None:
        await confirm(request.act, township.id, year, which, values)

    not_done = await submit(request, CONFIRM_FIELDS, go)
    if not_done is not None:
        return await _sheet(request, "meetings/six_haves_sheet.html", not_done.status, {which: not_done.form})
    return request.redirect("meetings.six_haves.sheet", code=township.code, year=year)


async def submit_take_back(request: Request) -> Response:
    """Take a confirmation back."""
    _tree, township, year = await _named(request)
    await take_back(request.act, township.id, year, request.path_params["which"])
    return request.redirect("meetings.six_haves.sheet", code=township.code, year=year)


async def _named(request: Request) -> tuple[Tree, Unit, int]:
    """The township and the year of the path. Raises `NotFound` for one the actor does not oversee."""
    tree, code, year = await load_tree(), request.path_params["code"], request.path_params["year"]
    within = tree.townships(overseen(request.act, tree))
    township = next((each for each in within if each.code == code), None)
    if township is None or not 0 <= today(request.act).year - year < _YEARS:
        raise NotFound
    return tree, township, year


async def _sheet(
    request: Request, template: str, status: int = 200, refused: Mapping[int, Form] | None = None
) -> Response:
    tree, township, year = await _named(request)
    haves = (await checklists(tree, [township], year, today(request.act)))[township.id]
    by = [have.confirmation.by_id for have in haves if have.confirmation is not None]
    accounts = await Account.filter(id__in=[each for each in by if each is not None]).select_related("person")
    return request.render(
        template,
        status,
        township=township,
        year=year,
        haves=haves,
        names={account.id: account.person.name for account in accounts},
        may_confirm=await may(request.act, CONFIRM, [township.id]),
        forms={which: Form(CONFIRM_FIELDS) for which in BY_HAND} | dict(refused or {}),
    )


_ONE = "/desk/meetings/six-haves/{code}/{year:int}"
PERMISSIONS = (Permission(CONFIRM, "确认六个有", frozenset({"township_clerk", "leader", "supervisor"})),)
PAGES = (
    Page("/desk/meetings/six-haves", page, "meetings.six_haves", permission=OVERSEE),
    Page(_ONE, sheet, "meetings.six_haves.sheet", permission=OVERSEE),
    Page(f"{_ONE}/print", paper, "meetings.six_haves.paper", permission=OVERSEE),
    Page(f"{_ONE}/{{which:int}}", submit_confirm, "meetings.six_haves.confirm", ("POST",), permission=CONFIRM),
    Page(
        f"{_ONE}/{{which:int}}/take-back",
        submit_take_back,
        "meetings.six_haves.take_back",
        ("POST",),
        permission=CONFIRM,
    ),
)
