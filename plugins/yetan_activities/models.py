"""Activities, who was there, and what they felt."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.api import Account, Link, Person, Privacy, Record, Unit, UnitRecord, message_ids

#: In which role somebody is there.
ROLES: tuple[tuple[str, str], ...] = message_ids(
    (
        ("resident", "居民"),
        ("delegate", "居民代表"),
        ("party_member", "党员代表"),
        ("host", "主持人"),
        ("leader", "领导"),
        ("official", "干部"),
        ("department", "职能部门"),
        ("property", "物业"),
        ("owners_committee", "业委会"),
        ("partner", "共建单位"),
    )
)
#: Roles that count as residents present.
RESIDENTS = frozenset({"resident", "delegate", "party_member", "owners_committee"})
WAYS: tuple[tuple[str, str], ...] = message_ids((("code", "扫码"), ("host", "主持人勾选"), ("desk", "会后补记")))


class Activity(UnitRecord):
    """One occasion of any kind. It may open early and overrun: planned by the clock on the wall, held by instants."""

    privacy: ClassVar[Privacy] = UnitRecord.tags(
        public=(
            "title date starts_at ends_at place venue channel host_name programme stated_residents summary "
            "funds_yuan funds_note"
        ),
        internal="kind opened_at closed_at",
    )

    #: The name of its `ActivityKind`.
    kind = fields.CharField(max_length=30)
    #: The theme (003-02).
    title = fields.CharField(max_length=120)
    #: The night it is of, and when it is planned to begin and end, in the deployment's time zone, "19:30" or "".
    date = fields.DateField()
    starts_at = fields.CharField(max_length=5, default="")
    ends_at = fields.CharField(max_length=5, default="")
    place = fields.CharField(max_length=100)
    venue = fields.CharField(max_length=30, default="")
    #: For a talk in a chat group: which (002-A5).
    channel = fields.CharField(max_length=60, default="")
    host_name = fields.CharField(max_length=60, default="")
    programme = fields.TextField(default="")
    stated_residents = fields.IntField(null=True)
    summary = fields.TextField(default="")
    #: Funds obtained because of it, in yuan (003-08, 003-09).
    funds_yuan = fields.IntField(null=True)
    funds_note = fields.CharField(max_length=200, default="")
    opened_at = fields.DatetimeField(null=True)
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        app = "yetan_activities"
        table = "yetan_activities_activity"
        indexes = [Index(fields=("kind", "unit_id", "date"), name="yetan_activities_cadence")]

    @property
    def is_open(self) -> bool:
        """Whether it is going on: opened, and not closed yet."""
        return self.opened_at is not None and self.closed_at is None


class Attendance(Record):
    """Somebody at an activity, or expected there. Signing in again with the same name and house is the same row."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="activity person role way account link unit expected present_at arrival_key created_at",
        personal="name",
        sensitive="house",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        "yetan_activities.Activity", related_name="attendances", on_delete=fields.CASCADE, db_index=True
    )
    activity_id: int
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    person_id: int
    #: As signed: a name or a nickname, and the house, so that two of one name are two.
    name = fields.CharField(max_length=60)
    house = fields.CharField(max_length=60, default="")
    role = fields.CharField(max_length=20)
    way = fields.CharField(max_length=10)
    #: An official's account, and the link that makes the evening count for them (002-C5 to C9).
    account: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    account_id: int | None
    link: fields.ForeignKeyNullableRelation[Link] = fields.ForeignKeyField(
        "yetan.Link", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    link_id: int | None
    #: For whom an official or a department is there.
    unit: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    unit_id: int | None
    #: Whether they were invited or listed beforehand.
    expected = fields.BooleanField(default=False)
    #: None until they are there.
    present_at = fields.DatetimeField(null=True)
    #: The key of the form they came by: the phone that sends it once more, for want of an answer, is the same phone.
    arrival_key = fields.CharField(max_length=80, default="")
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan_activities"
        table = "yetan_activities_attendance"
        unique_together = (("activity", "person"), ("activity", "name", "house"))


class Reflection(Record):
    """What somebody felt about an activity: 体会 of an official, 感言 of a resident. Shown once it was read."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="activity kind state person decided_by created_at decided_at",
        personal="name text",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        "yetan_activities.Activity", related_name="reflections", on_delete=fields.CASCADE, db_index=True
    )
    activity_id: int
    #: "official" or "resident".
    kind = fields.CharField(max_length=10)
    name = fields.CharField(max_length=60, default="")
    text = fields.TextField()
    #: "waiting", "shown" or "hidden".
    state = fields.CharField(max_length=10, default="waiting")
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    created_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)
    decided_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    decided_by_id: int | None

    class Meta:
        app = "yetan_activities"
        table = "yetan_activities_reflection"
