"""What the plugin declares."""

from collections.abc import Sequence

from yetan.api import EventType, Field, Page, Panel, RecordKind, Visibility, hookimpl
from yetan_haircuts import booking
from yetan_haircuts.models import HaircutDay

_DAY = (
    Field("title", "主题"),
    Field("date", "日期", "date"),
    Field("place", "地点"),
    Field("places", "名额", "number", minimum=1, maximum=200),
    Field("contact", "联系电话", "phone"),
)


@hookimpl
def yetan_record_kinds() -> Sequence[RecordKind]:
    """Days: the desk's pages, the public's, search, figures and Excel, from the fields alone."""
    return (RecordKind(booking.DAY, "便民理发日", HaircutDay, _DAY, "场", check=booking.check_day),)


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return booking.PANELS


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (booking.BOOK, booking.WHO_CAME)


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (booking.VISIBILITY,)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (EventType(booking.BOOKED, "预约理发"), EventType(booking.SERVED, "记下谁来了"))
