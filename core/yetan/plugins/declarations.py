"""What a plugin may declare: frozen structs, returned from hooks at start-up and run by the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from yetan.act import Act
from yetan.db.connection import Application
from yetan.web.forms import Field

if TYPE_CHECKING:
    from starlette.responses import Response

    from yetan.events.models import Event
    from yetan.web.request import Request

#: Metric, unit, top category (0 for all) and month ("" for all time, or "2026-11").
CounterKey = tuple[str, int, int, str]
Endpoint = Callable[["Request"], Awaitable["Response"]]


class Plugin(Struct, frozen=True):
    """A plugin, as the object named `plugin` that its entry point in group `yetan.plugins` loads.

    `name` is the entry point's name and the key of its table in yetan.toml. `models` and `migrations` are dotted
    module paths, imported only when the plugin is enabled; `package` is where templates/, static/ and locale/
    are looked for. `requires_api` is the range of `yetan.api` versions it works with, as in ">=0.1,<0.2".
    `hooks` is a dotted path to the module holding its hook implementations. `hookspecs` is one to a module of hooks it
    offers to other plugins, which name it in `depends_on`: what they answer is given to its own `yetan_record_kinds`,
    and stands in `current().registry.offered`.
    """

    name: str
    title: str
    version: str
    package: str
    hooks: str
    requires_api: str = ">=0.1"
    depends_on: tuple[str, ...] = ()
    configuration: type[Any] | None = None
    models: str = ""
    migrations: str = ""
    hookspecs: str = ""

    @property
    def application(self) -> Application | None:
        """Its Tortoise app, or None where it has no models."""
        return Application(f"yetan_{self.name}", self.models, self.migrations) if self.models else None


class Permission(Struct, frozen=True):
    """A right somebody may hold through a role.

    `roles` are those that hold it unless the city says otherwise. With `descends` a post in a unit holds it for
    the whole subtree; without, for that very unit alone. With `whole_city` only a post in the city itself holds it:
    what it is about belongs to no unit.
    """

    name: str
    label: str
    roles: frozenset[str]
    descends: bool = True
    whole_city: bool = False


class Page(Struct, frozen=True):
    """A route. It either names the permission it needs or says `public=True`; start-up refuses it otherwise.

    `permission="signed_in"` means any account. `model` names what the path's `{id}` loads: the core fetches it through
    `visible()` (404 if the actor may not see it) and checks the permission against its unit (403). `site` is "public"
    or "desk" for `yetan serve --site`; "" follows `public`.

    With `sensitive` the page shows personal or sensitive data of others, and every look at it leaves an audit record
    (C79); `request.looked_at` may say at what, where that is not the row of the path.
    """

    path: str
    endpoint: Endpoint
    name: str
    methods: tuple[str, ...] = ("GET",)
    permission: str = ""
    public: bool = False
    model: type[Any] | None = None
    #: Public, but looks at who is signed in; never cached.
    personal: bool = False
    #: A public page sees the address and the display alone, and its answer is given to others who ask for the same.
    #: False where looking has an effect of its own, or where more of the request counts.
    kept: bool = True
    #: Whose room it takes to be drawn for the public (`yetan.web.admission`): what asks the search engine has its own,
    #: and what shows many things at once.
    budget: Literal["pages", "overviews", "search", "suggestions"] = "pages"
    #: What of the query narrows a list: with any of these it takes the room of what may have to read much.
    narrowed_by: tuple[str, ...] = ()
    site: Literal["", "public", "desk"] = ""
    sensitive: bool = False
    #: Largest body in bytes; uploads ask for more.
    body_limit: int = 1024 * 1024

    @property
    def is_kept(self) -> bool:
        """Whether its answers may be kept for others: of public pages nobody's look at which is recorded."""
        safe = set(self.methods) <= {"GET", "HEAD"}
        return self.kept and self.public and safe and not (self.personal or self.sensitive)


class NavigationItem(Struct, frozen=True):
    """A place in the menu. `permission` hides it from those who lack it; `area` is public, desk or admin."""

    area: Literal["public", "desk", "admin"]
    label: str
    route: str
    permission: str = ""
    position: int = 100


class State(Struct, frozen=True):
    """A state of issues. `fallback` is the core state it acts as while its plugin is switched off.

    category: open (somebody has to act), awaiting (residents have to), closed_good (struck off) or closed.
    """

    name: str
    label: str
    category: Literal["open", "awaiting", "closed_good", "closed"]
    fallback: str = ""


class Transition(Struct, frozen=True):
    """A way from some states to one. `target` "" keeps the state (an extension, for one).

    `at` says whose post counts: one over the responsible unit, or over the unit where it was raised ("home").
    `form` are the fields asked for; those with `remark` of public, parties or staff are kept as words on the
    timeline for that audience. `effect` names a service of the core that changes further columns; plugins leave it
    empty and work from the event. `rule` is the ID of the rule served, shown beside the button.
    """

    name: str
    label: str
    sources: tuple[str, ...]
    target: str
    permission: str
    form: tuple[Field, ...] = ()
    at: Literal["responsible", "home"] = "responsible"
    audience: Literal["public", "parties", "staff"] = "public"
    rule: str = ""
    description: str = ""
    kind: Literal["main", "other", "back"] = "other"
    #: Whether its form, filled in once, may take several issues along at the desk: where it asks nothing about one.
    several: bool = False


class BulkAction(Struct, frozen=True):
    """Something officials may do to several issues at once: its form is filled in for all of them together.

    `run(act, issue, values, version)` is called for each issue by itself, with an act whose key is that issue's own. It
    calls a service, which checks rights, `version` and state again, and raises a refusal that says what to do instead.
    `refusal(act, issue)` says beforehand why it will not be done to an issue, or "": the preview shows it.

    With `undo(act, issue, before, version)` it can be taken back for some minutes, as long as nobody has done anything
    to the issue since, by a change of its own that stands beside the first. `before` holds the columns named in
    `remembers` as they were. `irrevocable` tells those who press why there is no way back, where there is none.
    """

    name: str
    label: str
    permission: str
    run: Callable[[Act, Any, Mapping[str, Any], int], Awaitable[Any]]
    refusal: Callable[[Act, Any], Awaitable[str]]
    form: tuple[Field, ...] = ()
    undo: Callable[[Act, Any, Mapping[str, Any], int], Awaitable[Any]] | None = None
    remembers: tuple[str, ...] = ()
    irrevocable: str = ""
    rule: str = ""
    description: str = ""
    position: int = 100


class Guard(Struct, frozen=True):
    """May refuse a transition, with a reason a person can act on. Raising, missing or quarantined: refused too."""

    name: str
    transitions: tuple[str, ...]
    #: Given the issue and the act, returns "" to let it pass or the reason in Chinese.
    check: Callable[[Any, Act], Awaitable[str]]


class Subscription(Struct, frozen=True):
    """A subscriber to events. `handle` gets a batch in order; it must survive being given an event twice.

    transactional: touches only the database; its work and its done mark commit together.
    external: talks to something else; takes a lease, runs, then is marked done, with key "event:subscriber".

    `events` and `without` are types of events, or patterns such as "issue.*" and "*". Every event that is heard costs
    a row and a call, so name what is wanted.
    """

    name: str
    events: tuple[str, ...]
    handle: Callable[[Sequence[Event]], Awaitable[None]]
    mode: Literal["transactional", "external"] = "transactional"
    #: Whether imported history is delivered too (boards, figures, search: yes; notices, points: no).
    historical: bool = False
    #: Which of those are not wanted after all.
    without: tuple[str, ...] = ()
    #: The kinds of subjects it wants to hear of, as in ("issue",); all of them unless given.
    subjects: tuple[str, ...] = ()
    #: How many events it is given at once, at most. One by one is for what costs something each time it is repeated.
    batch: int = 100

    def hears(self, event_type: str, subject_kind: str) -> bool:
        """Whether such an event is delivered to it."""
        concerned = not self.subjects or subject_kind in self.subjects
        return concerned and _are_named(tuple(self.events), tuple(self.without), event_type)


@lru_cache(maxsize=1024)
def _are_named(events: tuple[str, ...], without: tuple[str, ...], event_type: str) -> bool:
    """Whether events of a type are named, and not taken out again; every event that is told asks each subscriber."""
    return any(matches(pattern, event_type) for pattern in events) and not any(
        matches(pattern, event_type) for pattern in without
    )


def matches(pattern: str, event_type: str) -> bool:
    """Whether an event type is what a pattern names; a * at its end stands for anything."""
    return event_type.startswith(pattern[:-1]) if pattern.endswith("*") else event_type == pattern


class Job(Struct, frozen=True):
    """Runs once per period; after downtime it catches up once. `period`: hour, day, week or month, local time.

    `at_hour` is the local hour from which a day's, week's or month's run is due.
    """

    name: str
    period: Literal["hour", "day", "week", "month"]
    run: Callable[[Act], Awaitable[None]]
    at_hour: int = 0


class DueKind(Struct, frozen=True):
    """What is done when a row of the due table falls due; in one transaction with the row's removal."""

    name: str
    handle: Callable[[Act, int], Awaitable[None]]


class Rule(Struct, frozen=True):
    """A typed setting that differs from town to town (001-41, 001-42, 002-C15).

    `kind` is int (with `unit` such as "天"), bool, or choice; `minimum` and `maximum` include themselves.
    """

    name: str
    label: str
    kind: Literal["int", "bool", "choice"]
    default: int | bool | str
    source: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[tuple[str, str], ...] = ()


class DocumentKind(Struct, frozen=True):
    """A paper that can be printed for a subject of `model`. `load(act, subject)` returns the template's context."""

    name: str
    title: str
    model: type[Any]
    permission: str
    template: str
    load: Callable[[Act, Any], Awaitable[Mapping[str, Any]]]
    #: Whether the subject has such a paper now; without it, always.
    available: Callable[[Act, Any], Awaitable[bool]] | None = None


class Metric(Struct, frozen=True):
    """A named figure with unit and definition. Kept as counters by unit, top category and month.

    `recount` counts anew what the counters of a plugin's figure should say, for `yetan check`; give it wherever the
    plugin adds to them itself (`add_to_counters`). `page` is the public page that lists what was counted: it is led to
    with the "unit", "year" and "month" of the figure, and with `narrowed`; else the figure leads to what it means.
    """

    name: str
    label: str
    unit: str
    definition: str
    #: Whether it stands on the public board.
    public: bool = True
    recount: Callable[[], Awaitable[Mapping[CounterKey, int]]] | None = None
    page: str = ""
    narrowed: tuple[tuple[str, str], ...] = ()


#: The pages of the core that have a place for panels; each kind of record has more.
PANEL_PAGES = frozenset({"board", "issue", "unit", "hall", "desk", "desk.issue"})


class Panel(Struct, frozen=True):
    """A part of a page that a plugin fills. Loaders run together, under a deadline; None leaves the panel out.

    The core's pages with a place for panels: "board" (given None), "issue" (what residents read of it), "unit" (the
    `Unit`), "hall" (the unit, or None for the whole city), "desk" (what waits for an official, given None),
    "desk.issue" (the `Issue`). Of each kind of record: "desk." and its name (given the record), its name alone for the
    page residents see (given the row of `published`), and the `places` its plugin declares. The template has the
    loader's context and the `subject`.
    """

    name: str
    page: str
    template: str
    load: Callable[[Act, Any], Awaitable[Mapping[str, Any] | None]]
    permission: str = ""
    position: int = 100


class NoticeKind(Struct, frozen=True):
    """A line in an inbox. `text` is a message id with {named} places filled from the notice's data.

    It leads to the page named `route`, which is given the id of its subject where its path asks for one; without a
    route, one about an issue or a record leads there.
    """

    name: str
    text: str
    route: str = ""


class Message(Struct, frozen=True):
    """A notice on its way to somebody. `key` is the same for each attempt, so that a gateway sends it once.

    `phone` is "" where the city knows none. `address` leads to the inbox, after signing in.
    """

    key: str
    text: str
    name: str
    phone: str
    address: str


class NoticeChannel(Struct, frozen=True):
    """A way to bring notices to people besides the inbox. `send` passes over whom it cannot reach.

    It is called one message at a time, outside any transaction; what it raises has the message sent again later.
    """

    name: str
    label: str
    send: Callable[[Message], Awaitable[None]]


class EventType(Struct, frozen=True):
    """An event a plugin (or the core) emits, and the words its timeline line starts with."""

    name: str
    label: str
    kind: Literal["plain", "returned", "lit"] = "plain"


class Theme(Struct, frozen=True):
    """A look: folders `templates` and `static` of a package, laid over the core's."""

    name: str
    title: str
    package: str


class Health(Struct, frozen=True):
    """One line of `yetan check` and /readyz: whether it holds, what it says, how to mend it.

    What is `advisory` is worth doing and told until it is done, but nothing is damaged: a check does not fail for it.
    """

    name: str
    ok: bool
    message: str
    remedy: str = ""
    advisory: bool = False


class Visibility(Struct, frozen=True):
    """Which rows of a model an actor may see: `rows(act)` gives the filtered query, for `visible()`."""

    model: type[Any]
    rows: Callable[[Act], Any]
    #: The units a row belongs to, for checking a permission against it.
    units: Callable[[Any], Awaitable[Mapping[str, int]]]
