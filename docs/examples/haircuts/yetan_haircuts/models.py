"""Haircut days, and who has booked a place."""

from typing import ClassVar

from tortoise import fields

from yetan.api import Person, Privacy, Record, UnitRecord


class HaircutDay(UnitRecord):
    """A day. Residents read what is tagged public once it is published."""

    privacy = UnitRecord.tags(public="title date place places", internal="taken", personal="contact")

    title = fields.CharField(max_length=200)
    date = fields.DateField(db_index=True)
    place = fields.CharField(max_length=200)
    places = fields.IntField()
    contact = fields.CharField(max_length=20)
    #: How many places are booked. It is on no form: the plugin alone writes it.
    taken = fields.IntField(default=0, db_default=0)

    class Meta:
        app = "yetan_haircuts"
        table = "yetan_haircuts_day"


class Booking(Record):
    """A place somebody has booked. It goes where everything about that person is erased."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="day number served", personal="name age person", sensitive="phone", person="person", erase="delete"
    )

    id = fields.IntField(primary_key=True)
    day: fields.ForeignKeyRelation[HaircutDay] = fields.ForeignKeyField(
        "yetan_haircuts.HaircutDay", related_name=False, on_delete=fields.RESTRICT
    )
    day_id: int
    number = fields.IntField()
    name = fields.CharField(max_length=60)
    age = fields.IntField()
    phone = fields.CharField(max_length=20)
    #: Whoever was signed in, if anybody was.
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", null=True, related_name=False, on_delete=fields.SET_NULL, db_index=True
    )
    person_id: int | None
    #: None until somebody says so.
    served = fields.BooleanField(null=True)

    class Meta:
        app = "yetan_haircuts"
        table = "yetan_haircuts_booking"
        unique_together = (("day", "phone"), ("day", "number"))
