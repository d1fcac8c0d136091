"""What is published, for calendars of phones (RFC 5545) and for feed readers (RFC 4287): of a unit, or of the city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.responses import Response
from tortoise.queryset import QuerySet

from yetan.api import Invalid, Issue, NotFound, Page, PublicRecord, Request, current, today
from yetan.api import translate as _
from yetan_activities.models import Activity
from yetan_activities.overview import FILTER_FIELDS, Listed, filters_from, listed_of, published_activities
from yetan_activities.schedule import planned

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Of a feed without entries.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATOM = "http://www.w3.org/2005/Atom"
#: A calendar reaches so far back; it and a feed hold at most so many.
_BACK, _MOST_EVENTS, _MOST_ENTRIES = timedelta(days=366), 500, 50
#: How often a phone need ask again.
_AGAIN = timedelta(hours=6)
_NARROWED = tuple(field for field in FILTER_FIELDS if field.name in ("unit", "kind"))


class _Asked(Struct, frozen=True):
    """The published activities that are asked for, what they are called together, and the query that asks for them."""

    rows: QuerySet[PublicRecord]
    name: str
    query: Mapping[str, Any]


async def _asked(request: Request) -> _Asked:
    """What the address asks for. Raises `NotFound` for a unit or kind there is not."""
    query = await request.values(_NARROWED)
    try:
        filters = await filters_from(query)
    except Invalid:
        raise NotFound("没有这个单位，或者没有这一种夜谈。请从“夜谈活动”那一页重新订阅。") from None
    unit = filters.unit.name if filters.unit is not None else current().configuration.city.name
    return _Asked(await published_activities(filters), _("{unit}夜谈", unit=unit), query)


async def calendar(request: Request) -> Response:
    """The calendar: what comes, and what was within a year."""
    from icalendar import Calendar, vDuration  # most processes never write one

    asked = await _asked(request)
    since = today(request.act) - _BACK
    found = await asked.rows.filter(date__gte=since).order_by("-date", "-id").limit(_MOST_EVENTS)
    kept = {row.id: row for row in await Activity.filter(id__in=[row.record_id for row in found])}
    written = Calendar()
    written.add("prodid", "-//Yetan//night activities//ZH")
    written.add("version", "2.0")
    written.add("calscale", "GREGORIAN")
    written.add("method", "PUBLISH")
    written.add("name", asked.name)
    written.add("x-wr-calname", asked.name)
    written.add("x-wr-timezone", str(current().configuration.city.zone))
    written.add("refresh-interval", _AGAIN, parameters={"VALUE": "DURATION"})
    written.add("x-published-ttl", vDuration(_AGAIN))
    for row, listed in zip(found, await listed_of(found), strict=True):
        written.add_component(_event(request, row, kept[row.record_id], listed))
    written.add_missing_timezones(first_date=since)
    return Response(written.to_ical(), media_type="text/calendar")


def _event(request: Request, row: PublicRecord, activity: Activity, listed: Listed) -> Any:
    """An activity as an event: as it was held, else as it is planned, else the whole day."""
    from icalendar import Event

    start, end = planned(row.date, listed.starts_at, row.face.get("ends_at") or "")
    zone = current().configuration.city.zone
    if activity.opened_at is not None:
        start = activity.opened_at.astimezone(zone)
        end = activity.closed_at.astimezone(zone) if activity.closed_at is not None else end
    address = _address(request, listed)
    event = Event()
    event.add("uid", f"{row.kind}-{row.record_id}@{_host()}")
    changed = max(at for at in (activity.updated_at, activity.opened_at, activity.closed_at) if at is not None)
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("sequence", activity.version)
    event.add("summary", _("{kind}：{title}", kind=_(listed.label), title=row.title))
    event.add("dtstart", start if start is not None else row.date)
    if end is not None and start is not None and end > start:
        event.add("dtend", end)
    event.add("location", " ".join(each for each in (listed.unit_name, listed.place) if each))
    event.add(
        "description", "\n".join(each for each in (row.face.get("programme") or "", _told(listed), address) if each)
    )
    event.add("url", address)
    event.add("categories", [_(listed.label)])
    event.add("status", "CONFIRMED")
    return event


async def feed(request: Request) -> Response:
    """The feed: the latest activities, each brought up to date when one of its issues moves."""
    asked = await _asked(request)
    found = await asked.rows.order_by("-date", "-id").limit(_MOST_ENTRIES)
    kept = {row.id: row for row in await Activity.filter(id__in=[row.record_id for row in found])}
    moved = await _moved(found)
    entries = [
        (row, listed, max([kept[row.record_id].updated_at, *moved.get((row.kind, row.record_id), ())]))
        for row, listed in zip(found, await listed_of(found), strict=True)
    ]
    base, url = current().configuration.base_url, request.templating.addresses.path
    from xml.etree import ElementTree  # most processes never write one

    ElementTree.register_namespace("", _ATOM)
    root = ElementTree.Element(_tag("feed"))
    here = base + url("activities.feed", **asked.query)
    _add(root, "id", here)
    _add(root, "title", asked.name)
    _add(root, "updated", _moment(max((at for *_rest, at in entries), default=_EPOCH)))
    _add(root, "link", rel="self", type="application/atom+xml", href=here)
    _add(root, "link", rel="alternate", type="text/html", href=base + url("activities.overview", **asked.query))
    author = _add(root, "author")
    _add(author, "name", _(current().configuration.city.site_name))
    for row, listed, at in entries:
        entry = _add(root, "entry")
        address = _address(request, listed)
        _add(entry, "id", address)
        _add(entry, "title", _("{kind}：{title}", kind=_(listed.label), title=row.title))
        _add(entry, "updated", _moment(at))
        _add(entry, "link", rel="alternate", type="text/html", href=address)
        _add(entry, "category", term=row.kind, label=_(listed.label))
        when = " ".join(each for each in (f"{row.date:%Y-%m-%d}", listed.starts_at) if each)
        place = " ".join(each for each in (listed.unit_name, listed.place) if each)
        _add(entry, "summary", "\n".join(each for each in (when, place, _told(listed)) if each), type="text")
    return Response(
        ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), media_type="application/atom+xml"
    )


async def _moved(rows: Sequence[PublicRecord]) -> dict[tuple[str, int], list[datetime]]:
    """By activity: when something last became of each of its issues."""
    columns = ("raised_at", "listed_at", "resolved_at", "struck_off_at")
    issues = Issue.filter(
        origin_kind__in=list({row.kind for row in rows}), origin_id__in=[row.record_id for row in rows]
    )
    moved: dict[tuple[str, int], list[datetime]] = {}
    for kind, activity, *moments in await issues.values_list("origin_kind", "origin_id", *columns):
        moved.setdefault((kind, activity), []).extend(at for at in moments if at is not None)
    return moved


def _told(listed: Listed) -> str:
    if not listed.raised:
        return ""
    return _("提出{raised}件，销号{lit}件", raised=listed.raised, lit=listed.struck_off)


def _address(request: Request, listed: Listed) -> str:
    path = request.templating.addresses.path(f"records.{listed.kind}.record", id=listed.id)
    return current().configuration.base_url + path


def _host() -> str:
    return urlsplit(current().configuration.base_url).hostname or "localhost"


def _tag(name: str) -> str:
    return f"{{{_ATOM}}}{name}"


def _add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    added = parent.makeelement(_tag(name), attributes)
    parent.append(added)
    added.text = _writable(text) or None
    return added


def _writable(text: str) -> str:
    """The text without what XML has no place for; forms refuse control characters, imported rows may have some."""
    return "".join(each for each in text if each >= " " or each in "\n\t")


def _moment(at: datetime) -> str:
    return at.astimezone(current().configuration.city.zone).isoformat(timespec="seconds")


PAGES = (
    Page("/activities/calendar.ics", calendar, "activities.calendar", public=True, narrowed_by=("unit", "kind")),
    Page("/activities/feed.atom", feed, "activities.feed", public=True, narrowed_by=("unit", "kind")),
)
