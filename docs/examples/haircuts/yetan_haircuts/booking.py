"""Booking a place, and saying who came: what goes beyond the record of a day."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from tortoise.expressions import F, Subquery
from tortoise.queryset import QuerySet

from yetan.api import (
    Act,
    Field,
    Form,
    Invalid,
    NotFound,
    Page,
    Panel,
    PublicRecord,
    Refused,
    Request,
    Visibility,
    attempt,
    change,
    clean,
    current,
    emit,
    message_ids,
    published,
    require,
    submit,
    visible,
)
from yetan_haircuts.models import Booking, HaircutDay

DAY = "haircut_day"
KEEP = f"{DAY}.keep"
BOOKED = "haircuts.booked"
SERVED = "haircuts.served"
_AGE = 60
_FIELDS = (
    Field("name", "姓名", max_length=60, autocomplete="name"),
    Field("age", "年龄", "number", minimum=1, maximum=130, hint="周岁"),
    Field("phone", "手机", "phone", autocomplete="tel"),
)
_SERVED = (Field("served", "来了没有", "choice", choices=(("1", message_ids("来了")), ("0", message_ids("没来")))),)


# What the form of the record cannot know by itself.


async def check_day(act: Act, day: HaircutDay | None, values: Mapping[str, Any]) -> None:
    """Nobody who has booked may lose the place."""
    if day is not None and values["places"] < day.taken:
        raise Invalid.field("places", "已经有人约了，名额不能比约了的人少。")


# Residents: a page for everybody with a form, reached from the page of the day.


async def open_day(act: Act, day_id: int) -> PublicRecord:
    """What residents read of a day that can still be booked. Raises `NotFound` for any other."""
    day = await published(DAY).get_or_none(record_id=day_id, date__gte=current().calendar.local_date(act.now))
    if day is None:
        raise NotFound("这一天不能预约了，请看看别的日子。")
    return day


@change(Booking)
async def book(act: Act, day_id: int, values: Mapping[str, object]) -> Booking:
    """Take a place. Of two who want the last one, one gets it."""
    day = await open_day(act, day_id)
    given = clean(_FIELDS, values)
    if given["age"] < _AGE:
        raise Invalid("还不能预约。", {"age": ["这一天为 60 岁以上的老人理发。"]})
    if await Booking.filter(day_id=day_id, phone=given["phone"]).exists():
        raise Refused("这个手机号码已经约过这一天。")
    # The database decides, in one statement: between a look and a write somebody else may book.
    left = HaircutDay.filter(id=day_id, taken__lt=day.face["places"])
    if not await left.update(taken=F("taken") + 1):
        raise Refused("这一天已经约满了，请看看别的日子。")
    number = (await HaircutDay.get(id=day_id)).taken
    booking = await Booking.create(day_id=day_id, number=number, person_id=act.actor.person_id, **given)
    await emit(act, BOOKED, ("haircut_booking", booking.id))
    return booking


async def show_booking(request: Request) -> Response:
    """The form; sent, the number one has, or the form again with what was typed and what is wrong."""
    day = await open_day(request.act, request.path_params["id"])
    form, status = Form(_FIELDS), 200
    if request.method == "POST":
        # Who asks without end is told to wait: twenty from one address within an hour.
        await attempt("haircuts.book", request.act.source, limit=20, window_seconds=3600, now=request.act.now)
        booked: list[Booking] = []

        async def take(values: Mapping[str, object]) -> None:
            booked.append(await book(request.act, day.record_id, values))

        not_done = await submit(request, _FIELDS, take)
        if not_done is None:
            return request.render("haircuts/booked.html", day=day, number=booked[0].number)
        form, status = not_done.form, not_done.status
    return request.render("haircuts/book.html", status, day=day, form=form)


BOOK = Page("/haircuts/{id:int}", show_booking, "haircuts.book", ("GET", "POST"), public=True, kept=False)


async def places_left(act: Act, day: PublicRecord) -> Mapping[str, Any] | None:
    """For the page of a day that residents read; None, no panel, once it is over."""
    if day.date < current().calendar.local_date(act.now):
        return None
    taken = (await HaircutDay.get(id=day.record_id)).taken
    return {"left": max(0, day.face["places"] - taken)}


# The desk: who has booked, on the record's own page, and who came.


def bookings_seen(act: Act) -> QuerySet[Booking]:
    """The bookings of the days the actor may see."""
    return Booking.filter(day_id__in=Subquery(visible(HaircutDay, act).values("id")))


async def units_of(booking: Booking) -> Mapping[str, int]:
    """The unit that permissions on a booking are checked against."""
    return {"responsible": (await HaircutDay.get(id=booking.day_id)).unit_id}


VISIBILITY = Visibility(Booking, bookings_seen, units_of)


@change(Booking)
async def say_who_came(act: Act, booking_id: int, values: Mapping[str, object]) -> Booking:
    """Mark a booking as served or absent; what was said before can be put right."""
    booking = await visible(Booking, act).select_related("day").get_or_none(id=booking_id)
    if booking is None:
        raise NotFound
    await require(act, KEEP, [booking.day.unit_id])
    if booking.day.date > current().calendar.local_date(act.now):
        raise Refused("还没有到这一天，到时候再记。")
    booking.served = clean(_SERVED, values)["served"] == "1"
    await booking.save(update_fields=["served"])
    await emit(act, SERVED, ("haircut_booking", booking.id))
    return booking


async def submit_who_came(request: Request) -> Response:
    """One of the two buttons of a line."""
    booking: Booking = request.subject
    await say_who_came(request.act, booking.id, await request.values(_SERVED))
    return request.redirect(f"desk.{DAY}.record", id=booking.day_id)


WHO_CAME = Page(
    "/desk/haircuts/bookings/{id:int}",
    submit_who_came,
    "haircuts.who_came",
    ("POST",),
    permission=KEEP,
    model=Booking,
)


async def bookings_of(act: Act, day: HaircutDay) -> Mapping[str, Any]:
    """For the page of a day on the desk."""
    return {"bookings": await visible(Booking, act).filter(day_id=day.id).order_by("number")}


PANELS = (
    Panel("haircuts.places", DAY, "haircuts/places.html", places_left),
    Panel("haircuts.bookings", f"desk.{DAY}", "haircuts/bookings.html", bookings_of, KEEP),
)
