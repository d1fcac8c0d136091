"""Kinds of night activities: what a plugin or a town says of one, and the kind of record it becomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from yetan.api import Act, ConfigurationError, Field, Metric, NotFound, RecordKind, Sum, current, message_ids
from yetan_activities.configuration import ActivitiesConfiguration, settings
from yetan_activities.models import Activity
from yetan_activities.scoreboard import COLUMNS, card_of, public_context

#: Every activity has these.
COMMON: tuple[Field, ...] = message_ids(
    (
        Field("title", "主题", max_length=120, hint="例如：创新社区治理，养老服务提质增效。"),
        Field("date", "哪一天", "date"),
        Field("starts_at", "几点开始", "time", required=False, hint="例如 19:30。"),
        Field("ends_at", "几点结束", "time", required=False, hint="过了半夜就写第二天的钟点，例如 0:30。"),
        Field("place", "在哪里", max_length=100),
    )
)
#: What a kind asks for besides, by the name of the column. The choices of `venue` are the town's.
OPTIONAL: Mapping[str, Field] = {
    field.name: field
    for field in message_ids(
        (
            Field("venue", "什么样的地方", "choice", required=False),
            Field("channel", "在哪个群里", required=False, max_length=60, hint="例如：三号楼业主群。"),
            Field("host_name", "主持人", required=False, max_length=60),
            Field("programme", "流程", "long_text", required=False, max_length=2000),
            Field(
                "stated_residents",
                "到了多少居民（报数）",
                "number",
                required=False,
                minimum=0,
                maximum=100_000,
                hint="扫码签到的另外数，两个数都会公开。",
            ),
            Field("summary", "小结", "long_text", required=False, max_length=4000, hint="公开以后居民看得到。"),
            Field(
                "funds_yuan",
                "争取到的资金（元）",
                "number",
                required=False,
                minimum=0,
                maximum=999_999_999,
            ),
            Field("funds_note", "资金用在哪里", required=False, max_length=200),
        )
    )
}


#: What the activities of all kinds add up to.
RESIDENTS_STATED = Metric(
    "activities.residents", "到场居民", "人", "各场报数加在一起，按月计", page="activities.overview"
)
FUNDS = Metric("activities.funds", "争取资金", "元", "各场写明的加在一起，按月计", page="activities.overview")
METRICS = (RESIDENTS_STATED, FUNDS)


class ActivityKind(Struct, frozen=True):
    """A kind of night activity, as in an open talk, a night school or a film on the square.

    `name` begins its addresses, permissions, events and figures, and is what issues raised there name as their origin.
    `asks` are the names in `OPTIONAL` of what its form asks for besides theme, date, time and place. `source` is the ID
    of the rule it serves. `via` is the way by which issues raised at one come in, as the core names it. With `agenda`
    matters are taken at it one by one and each is decided before it closes; with `votes` what it resolves has to be
    voted on (002-A2b).
    """

    name: str
    label: str
    source: str = ""
    description: str = ""
    counted_in: str = message_ids("场")
    asks: tuple[str, ...] = ("venue", "host_name", "programme", "stated_residents", "summary")
    signs_in: bool = True
    via: str = "meeting"
    agenda: bool = False
    votes: bool = False
    keepers: frozenset[str] = frozenset({"village_official", "township_clerk"})
    readers: frozenset[str] = frozenset({"department_official", "leader", "publisher", "supervisor"})
    publishers: frozenset[str] = frozenset({"village_official", "township_clerk", "publisher"})
    position: int = 100
    #: See `RecordKind.check`.
    check: Callable[[Act, Any, Mapping[str, Any]], Awaitable[None]] | None = None


def all_kinds(
    configuration: ActivitiesConfiguration, offered: Mapping[str, Sequence[ActivityKind]]
) -> list[ActivityKind]:
    """The kinds of all plugins, and behind them those of yetan.toml. Raises `ConfigurationError` for a wrong name."""
    own = [
        ActivityKind(
            name,
            each.label,
            counted_in=each.counted_in,
            asks=each.asks,
            signs_in=each.signs_in,
            agenda=each.agenda,
            votes=each.votes,
        )
        for name, each in configuration.kinds.items()
    ]
    kinds = [*offered.get("yetan_activities_kinds", ()), *own]
    problems = [
        f"activity kind {kind.name!r}: asks for {asked!r}, which is not one of {', '.join(OPTIONAL)}"
        for kind in kinds
        for asked in kind.asks
        if asked not in OPTIONAL
    ]
    if problems:
        raise ConfigurationError(problems)
    return kinds


def kinds_of_city() -> list[ActivityKind]:
    """The kinds of the running city, in the order of their positions."""
    kinds = all_kinds(settings(), current().registry.offered)
    return sorted(kinds, key=lambda kind: kind.position)


def kind_of(activity: Activity) -> ActivityKind:
    """The kind of an activity of the running city. Raises `NotFound` where nothing declares it any more."""
    found = next((kind for kind in kinds_of_city() if kind.name == activity.kind), None)
    if found is None:
        raise NotFound
    return found


def record_kind(kind: ActivityKind, configuration: ActivitiesConfiguration) -> RecordKind:
    """The kind of record that a kind of activity becomes."""
    venues = tuple((venue, venue) for venue in configuration.venues)
    asked = [_with_choices(OPTIONAL[name], venues) for name in OPTIONAL if name in kind.asks]
    sums = (
        Sum("stated_residents", metric=RESIDENTS_STATED.name),
        Sum("funds_yuan", metric=FUNDS.name),
    )
    return RecordKind(
        kind.name,
        kind.label,
        Activity,
        (*COMMON, *asked),
        counted_in=kind.counted_in,
        sums=tuple(each for each in sums if each.column in kind.asks),
        page="activities.overview",
        narrowed=(("kind", kind.name),),
        keepers=kind.keepers,
        readers=kind.readers,
        publishers=kind.publishers,
        position=kind.position,
        menu=False,
        only={"kind": kind.name},
        template="activities/activity.html",
        public_template="activities/public_activity.html",
        public_context=public_context,
        card=card_of,
        columns=COLUMNS,
        photos=True,
        places=(f"evening.{kind.name}", f"seat.{kind.name}"),
        check=kind.check,
    )


def _with_choices(field: Field, venues: tuple[tuple[str, str], ...]) -> Field:
    if field.name != "venue":
        return field
    return Field(field.name, field.label, field.kind, required=False, choices=venues)
