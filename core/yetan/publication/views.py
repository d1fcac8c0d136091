"""Published issues as the templates draw them: rows of lists, the loop as steps, the timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape
from msgspec import Struct

from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.acceptance import SCORES
from yetan.issues.lifecycle import HANDLING, LISTED, RETURNED, state_of
from yetan.issues.timeline import Entry
from yetan.plugins.declarations import State
from yetan.publication.board import Lamps, Month
from yetan.publication.listing import ListedIssue, listed_from
from yetan.publication.models import PublicIssue
from yetan.runtime import current
from yetan.searching.service import Runs
from yetan.statistics.service import DECLINED, RAISED, RESOLVED, STRUCK_OFF, SUGGESTED, metrics_shown

if TYPE_CHECKING:
    from yetan.web.request import Request

#: The key of the street, shorter than the filter's words.
_LAMPS = message_ids(
    {"closed_good": "已销号", "awaiting": "待验收", "open": "办理中", "late": "逾期", "closed": "不受理、并案"}
)
#: Makes the address of a page by its name.
Url = Callable[..., str]


class StateView(Struct, frozen=True):
    """A state as its tag is drawn: late past its deadline, returned from the second handling on."""

    name: str
    label: str
    category: str
    late: bool = False
    returned: bool = False


class RowView(Struct, frozen=True):
    """An issue in a list."""

    number: str
    title: str
    href: str
    state: StateView
    unit_name: str | None = None
    category_name: str | None = None
    raised_at: date | None = None
    deadline: date | None = None
    snippet: Runs | None = None


class Step(Struct, frozen=True):
    """A step of the loop: done, now, ahead, or end (the lit lamp)."""

    label: str
    status: str
    when: date | None = None
    who: str | None = None
    note: str | None = None


def local_day(at: datetime | None) -> date | None:
    """The date in the city of an instant."""
    return current().calendar.local_date(at) if at is not None else None


def days_between(start: datetime, end: datetime) -> int:
    """From the day of `start` to the day of `end`, in the city."""
    days = current().calendar.local_date
    return (days(end) - days(start)).days


def state_view(state: State, deadline: datetime | None, round_number: int, now: datetime) -> StateView:
    """The state with what residents have to know beside it."""
    late = state.category == "open" and deadline is not None and deadline < now
    return StateView(state.name, state.label, state.category, late, round_number > 1)


class PublishedRow:
    """A published issue in a list, as `RowView` is, worked out where it is drawn: under its content once for all."""

    __slots__ = ("_href", "_now", "_row", "content", "snippet", "title")

    def __init__(
        self,
        row: PublicIssue | ListedIssue,
        now: datetime,
        href: Callable[[PublicIssue | ListedIssue], str],
        found: tuple[Runs, Runs] | None = None,
    ) -> None:
        self._row = row
        self._now = now
        self._href = href
        overdue = row.deadline is not None and row.deadline < now
        #: What the row says, to be compared; None for one found by its words.
        self.content = (row, overdue) if isinstance(row, ListedIssue) and found is None else None
        self.title = marked(found[0]) if found and found[0] else row.title
        self.snippet = found[1] if found else None

    @property
    def number(self) -> str:
        """The official number."""
        return self._row.number

    @property
    def href(self) -> str:
        """The address of the issue's page."""
        return self._href(self._row)

    @property
    def state(self) -> StateView:
        """Where it stands."""
        return state_view(state_of(self._row.state), self._row.deadline, self._row.round, self._now)

    @property
    def unit_name(self) -> str:
        """Where it was raised."""
        return self._row.unit_name

    @property
    def category_name(self) -> str | None:
        """The last part of its category's path."""
        return self._row.category_path.split("/")[-1] or None

    @property
    def raised_at(self) -> date | None:
        """The day it was raised."""
        return local_day(self._row.raised_at)

    @property
    def deadline(self) -> date | None:
        """The day it has to be done by, as long as it is not."""
        return local_day(self._row.deadline) if self.state.category in ("open", "awaiting") else None

    @property
    def struck_off_at(self) -> date | None:
        """The day it was struck off."""
        return local_day(self._row.struck_off_at)

    @property
    def days(self) -> int | None:
        """From raising to striking off, or None."""
        return days_between(self._row.raised_at, self._row.struck_off_at) if self._row.struck_off_at else None


def row_views(
    rows: Sequence[PublicIssue | ListedIssue],
    now: datetime,
    href: Callable[[PublicIssue | ListedIssue], str],
    found: Mapping[int, tuple[Runs, Runs]] | None = None,
) -> list[PublishedRow]:
    """Published issues as a list draws them; `found` has title and snippet with marks, by issue id."""
    return [PublishedRow(row, now, href, (found or {}).get(row.issue_id)) for row in rows]


async def issues_from(request: Request, origin: tuple[str, int]) -> list[PublishedRow]:
    """The published issues that were raised at an occasion, as the macro `issue_list` draws them, the first one first.

    `origin` is what `report_issue` was given: a kind and the id of a row.
    """
    url = request.templating.addresses.path
    return row_views(await listed_from(origin), request.act.now, lambda row: url("issue", number=row.number))


def marked(runs: Runs) -> Markup:
    """Text in runs, with the matched ones marked."""
    return Markup("").join(Markup("<mark>{}</mark>").format(run) if matched else escape(run) for run, matched in runs)


#: Events after which the loop starts again.
_BACK = ("issue.return", "issue.reopen", "issue.reconsider")


def steps_of(state: State, timeline: Sequence[Mapping[str, str]], facts: LoopFacts) -> list[Step] | None:
    """The loop as seven steps (002-B1), or None where the issue left it (declined, merged).

    `timeline` is the projection's: public events, oldest first.
    """
    if state.category == "closed":
        return None
    moments, rounds = _moments(timeline)
    labels = [_("登记"), _("立项"), _("办理"), _("办结"), _("反馈"), _("验收"), _("销号")]
    whens = [
        facts.raised_at,
        facts.listed_at,
        moments.get("issue.start"),
        facts.resolved_at,
        moments.get("issue.feedback"),
        moments.get("issue.accepted"),
        facts.struck_off_at,
    ]
    reached = _reached(state, facts, moments)
    steps = []
    for place, label in enumerate(labels):
        if reached == len(labels):
            status = "end" if place == len(labels) - 1 else "done"
        else:
            status = "done" if place < reached else "now" if place == reached else "ahead"
        when = local_day(whens[place]) if status != "ahead" else None
        who, note = None, None
        if place == 0:
            who = facts.unit_name
        elif place == 2 and status != "ahead":
            who = facts.responsible_unit_name
            note = _("第 {count} 次办理", count=facts.round) if facts.round > 1 else None
        elif place == 1 and status == "done" and when is None and "issue.settle" in rounds:
            who = _("当场解决，没有立项")
        steps.append(Step(label, status, when, who, note))
    return steps


class LoopFacts(Struct, frozen=True):
    """What the steps are drawn from beside the timeline; of a `PublicIssue` or of an `Issue`."""

    raised_at: datetime
    listed_at: datetime | None
    resolved_at: datetime | None
    struck_off_at: datetime | None
    unit_name: str
    responsible_unit_name: str
    round: int


def _moments(timeline: Sequence[Mapping[str, str]]) -> tuple[dict[str, datetime], set[str]]:
    """When each type of event last happened in the present round of handling; and which ever happened."""
    moments: dict[str, datetime] = {}
    ever: set[str] = set()
    for entry in timeline:
        if entry["type"] in _BACK:
            moments.clear()
        moments[entry["type"]] = datetime.fromisoformat(entry["at"])
        ever.add(entry["type"])
    return moments, ever


def _reached(state: State, facts: LoopFacts, moments: Mapping[str, datetime]) -> int:
    """The index of the step the issue is at; 7 when the lamp is lit."""
    if state.category == "closed_good":
        return 7
    if state.category == "awaiting":
        if "issue.feedback" not in moments:
            return 4
        return 6 if "issue.accepted" in moments else 5
    if state.name in (LISTED, HANDLING, RETURNED) or facts.listed_at is not None:
        return 2
    return 1


def timeline_of_projection(row: PublicIssue) -> list[Entry]:
    """The public timeline, newest first; nobody is named in it."""
    known = current().registry.event_types
    return [
        Entry(
            datetime.fromisoformat(entry["at"]),
            _(known[entry["type"]].label),
            entry["text"],
            "",
            known[entry["type"]].kind,
        )
        for entry in reversed(row.timeline)
        if entry["type"] in known
    ]


def rating_bars(ratings: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Each score's label, how many slips gave it, and the bar's kind."""
    kinds = {"satisfied": "plain", "basically": "second", "dissatisfied": "bad"}
    return [(_(label), ratings.get(score, 0), kinds[score]) for score, label in SCORES]


def photo_views(url: Url, route: str, photos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Photos as the macro draws them; `route` is the page that serves them."""
    labels = {"before": _("修之前"), "after": _("修好后")}
    views = []
    for number, photo in enumerate(photos, start=1):
        label = labels.get(photo["stage"], "")
        src = url(route, name=photo["name"])
        views.append(
            {
                "src": src,
                "href": src,
                "alt": _("{label}照片 {number}", label=label, number=number),
                "caption": photo["caption"] or label or None,
                "label": label,
                "width": photo["width"],
                "height": photo["height"],
            }
        )
    return views


class FigureView(Struct, frozen=True):
    """A figure with its unit, its basis and the list it counts."""

    value: int
    unit: str
    label: str
    note: str | None
    href: str


def street_views(
    url: Url, lamps: Sequence[Lamps], month: Month, *, unit_code: str | None = None
) -> list[dict[str, Any]]:
    """The lamps of a month as the macro street draws them; each group leads to its list."""
    span = {"unit": unit_code, "kind": "problem", "year": month.year, "month": month.month}
    return [
        {
            "category": each.group,
            "late": each.group == "late",
            "label": _(_LAMPS[each.group]),
            "count": each.count,
            "href": url("issues", state=each.group, **span),
        }
        for each in lamps
    ]


def figure_views(
    url: Url, counted: Mapping[str, int], *, unit_code: str | None = None, month: Month | None = None
) -> list[FigureView]:
    """The public metrics of a unit, of a month or of all time; the core's own each lead to the very list they count."""
    dated = {"unit": unit_code} | ({"year": month.year, "month": month.month} if month else {})
    told = {
        RAISED.name: (_("居民提出的问题"), {"kind": "problem"}),
        SUGGESTED.name: (_("和问题分开数"), {"kind": "suggestion"}),
        RESOLVED.name: (_("含以前提出的") if month else _("办完了，等验收的也算"), {"date": "resolved"}),
        STRUCK_OFF.name: (_("居民点了头"), {"date": "struck_off"}),
        DECLINED.name: (_("都写明了原因"), {"state": "declined"}),
    }
    views = []
    for metric in metrics_shown([counted]):
        note, narrowed = told.get(metric.name, (None, None))
        if narrowed is not None:
            href = url("issues", **dated, **narrowed)
        else:
            href = url(metric.page, **dated, **dict(metric.narrowed)) if metric.page else url("figures")
        value = counted[metric.name]
        views.append(FigureView(value, _(metric.unit, count=value), _(metric.label, count=2), note, href))
    return views
