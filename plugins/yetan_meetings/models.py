"""What night talks have of their own: agenda and votes, invitations, reports, the ledger, the desk that is always
open, topics of residents, and what a township lays down."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.api import Account, Household, Issue, Person, Privacy, Record, Unit, UnitRecord
from yetan_activities.api import Activity, Attendance

_ACTIVITY = "yetan_activities.Activity"


class AgendaItem(Record):
    """Something that is taken at a meeting: raised, discussed, and then settled, made an issue, resolved or noted."""

    privacy: ClassVar[Privacy] = Privacy(
        internal=(
            "activity position kind state issue raised_by vote_state votes_for votes_against votes_abstained "
            "created_at decided_at version"
        ),
        personal="title text outcome corrected",
    )

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.CASCADE
    )
    activity_id: int
    position = fields.IntField()
    #: "problem" or "suggestion", as of issues (003-06), or "topic": set beforehand to be resolved (002-A2).
    kind = fields.CharField(max_length=12)
    title = fields.CharField(max_length=60)
    text = fields.TextField(default="")
    raised_by: fields.ForeignKeyNullableRelation[Attendance] = fields.ForeignKeyField(
        "yetan_activities.Attendance", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    raised_by_id: int | None
    #: "waiting", "discussing"; then for good "settled", "issue", "resolved", "noted" or "dropped".
    state = fields.CharField(max_length=10, default="waiting")
    #: What was done on the spot, resolved or answered, or why it was dropped.
    outcome = fields.TextField(default="")
    #: What it said before it was corrected, with the days, the latest first. For the desk alone.
    corrected = fields.TextField(default="")
    issue: fields.ForeignKeyNullableRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name=False, on_delete=fields.RESTRICT, null=True, db_index=True
    )
    issue_id: int | None
    #: "", "open" or "closed".
    vote_state = fields.CharField(max_length=6, default="")
    #: Counted by hand, besides the votes by phone; once it is decided, all of them.
    votes_for = fields.IntField(default=0)
    votes_against = fields.IntField(default=0)
    votes_abstained = fields.IntField(default=0)
    created_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_agenda_item"
        unique_together = (("activity", "position"),)


class Vote(Record):
    """One person's vote on one item, by phone, until the item is decided. The database knows that there is one."""

    privacy: ClassVar[Privacy] = Privacy(internal="item attendance choice at")

    id = fields.IntField(primary_key=True)
    item: fields.ForeignKeyRelation[AgendaItem] = fields.ForeignKeyField(
        "yetan_meetings.AgendaItem", related_name="votes", on_delete=fields.CASCADE
    )
    item_id: int
    attendance: fields.ForeignKeyRelation[Attendance] = fields.ForeignKeyField(
        "yetan_activities.Attendance", related_name=False, on_delete=fields.CASCADE, db_index=True
    )
    attendance_id: int
    #: "for", "against" or "abstained".
    choice = fields.CharField(max_length=10)
    at = fields.DatetimeField()

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_vote"
        unique_together = (("item", "attendance"),)


class Invitation(Record):
    """Whom a meeting invites beforehand: leaders, departments, property firms, committees, delegates (002-A2a)."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="activity person role unit account told_at answer created_at",
        personal="name",
        sensitive="phone",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.CASCADE, db_index=True
    )
    activity_id: int
    #: Whom the list at the door knows by it, so that they can have both erased.
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    #: One of the roles of attendances.
    role = fields.CharField(max_length=20)
    name = fields.CharField(max_length=60)
    phone = fields.CharField(max_length=30, default="")
    unit: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    unit_id: int | None
    account: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    account_id: int | None
    told_at = fields.DatetimeField(null=True)
    #: "", "coming" or "excused".
    answer = fields.CharField(max_length=10, default="")
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_invitation"
        unique_together = (("activity", "role", "name"),)


class MeetingReport(Record):
    """会议情况报告: the written report of a meeting, sent up to the township, which confirms its receipt (002-A2c).

    What was sent stays as it was: a new version is a row of its own with the next number.
    """

    privacy: ClassVar[Privacy] = Privacy(
        internal=(
            "activity number sent_at sent_by to_unit received_at received_by returned_at created_at updated_at version"
        ),
        personal="situation resolutions follow_up receipt_note",
    )

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.CASCADE
    )
    activity_id: int
    #: Counts the reports of the meeting, from 1.
    number = fields.IntField()
    situation = fields.TextField(default="")
    resolutions = fields.TextField(default="")
    follow_up = fields.TextField(default="")
    to_unit: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.RESTRICT, null=True, db_index=True
    )
    to_unit_id: int | None
    sent_at = fields.DatetimeField(null=True)
    sent_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    sent_by_id: int | None
    received_at = fields.DatetimeField(null=True)
    received_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    received_by_id: int | None
    #: When the township gave it back.
    returned_at = fields.DatetimeField(null=True)
    #: What the township says with its receipt, or why it gave the report back.
    receipt_note = fields.TextField(default="")
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    version = fields.IntField(default=1)

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_report"
        unique_together = (("activity", "number"),)


class PlannedVisit(Record):
    """A household that an evening of interviews means to visit (002-A3)."""

    privacy: ClassVar[Privacy] = Privacy(internal="activity household")

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.CASCADE
    )
    activity_id: int
    #: None once nobody lives there any more whom the city knows.
    household: fields.ForeignKeyNullableRelation[Household] = fields.ForeignKeyField(
        "yetan.Household", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    household_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_planned_visit"
        unique_together = (("activity", "household"),)


class LedgerEntry(UnitRecord):
    """An entry of the 民情台账, the ledger of people's conditions, whichever form it comes from (002-A6)."""

    privacy: ClassVar[Privacy] = UnitRecord.tags(
        internal="title date source difficulties suggestions official household activity issue person",
        personal="who basic",
        sensitive="phone",
        person="person_id",
    )

    title = fields.CharField(max_length=60)
    date = fields.DateField()
    #: "visit", "reception", "online", "board", "box" or "meeting".
    source = fields.CharField(max_length=12)
    who = fields.CharField(max_length=60, default="")
    phone = fields.CharField(max_length=30, default="")
    #: The three must-asks: conditions, difficulties, suggestions (002-A3).
    basic = fields.TextField(default="")
    difficulties = fields.TextField(default="")
    suggestions = fields.TextField(default="")
    #: Whom the city knows by that name and phone, so that they can have both erased.
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    #: Who asked or listened.
    official = fields.CharField(max_length=60, default="")
    household: fields.ForeignKeyNullableRelation[Household] = fields.ForeignKeyField(
        "yetan.Household", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    household_id: int | None
    activity: fields.ForeignKeyNullableRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    activity_id: int | None
    issue: fields.ForeignKeyNullableRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name=False, on_delete=fields.RESTRICT, null=True, db_index=True
    )
    issue_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_ledger_entry"


class ServicePoint(Record):
    """居民说事点: a place whose door is always open, with a duty roster, a message board and a box (002-A4)."""

    privacy: ClassVar[Privacy] = Privacy(public="unit name place hours active", internal="created_at")

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    name = fields.CharField(max_length=60)
    place = fields.CharField(max_length=100)
    #: When somebody sits there, in words.
    hours = fields.CharField(max_length=100, default="")
    active = fields.BooleanField(default=True)
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_service_point"
        unique_together = (("unit", "name"),)


class DutyShift(Record):
    """Who sits at a service point on a day, from one time to another, local."""

    privacy: ClassVar[Privacy] = Privacy(public="point date from_time until_time name", internal="account")

    id = fields.IntField(primary_key=True)
    point: fields.ForeignKeyRelation[ServicePoint] = fields.ForeignKeyField(
        "yetan_meetings.ServicePoint", related_name="shifts", on_delete=fields.CASCADE
    )
    point_id: int
    date = fields.DateField()
    from_time = fields.CharField(max_length=5)
    until_time = fields.CharField(max_length=5)
    name = fields.CharField(max_length=60)
    account: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    account_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_duty_shift"
        unique_together = (("point", "date", "from_time"),)


class BoardMessage(Record):
    """What somebody left at a service point at any hour, on its message board or in its box, until it is sorted."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="point way entry at sorted_at sorted_by person",
        personal="text name reason",
        sensitive="phone",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    point: fields.ForeignKeyRelation[ServicePoint] = fields.ForeignKeyField(
        "yetan_meetings.ServicePoint", related_name="messages", on_delete=fields.CASCADE
    )
    point_id: int
    #: "board" for what was left on the page, "box" for a slip that was typed in.
    way = fields.CharField(max_length=6)
    text = fields.TextField()
    name = fields.CharField(max_length=60, default="")
    phone = fields.CharField(max_length=30, default="")
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    at = fields.DatetimeField()
    sorted_at = fields.DatetimeField(null=True)
    sorted_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    sorted_by_id: int | None
    #: Why it was put aside as nothing to act on; then it has no entry.
    reason = fields.TextField(default="")
    entry: fields.ForeignKeyNullableRelation[LedgerEntry] = fields.ForeignKeyField(
        "yetan_meetings.LedgerEntry", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    entry_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_board_message"
        indexes = [Index(fields=("point_id", "sorted_at"), name="yetan_meetings_unsorted")]


class ChatLine(Record):
    """A line of a chat group's discussion, kept as the record of an online talk (002-A5)."""

    privacy: ClassVar[Privacy] = Privacy(internal="activity position at entry issue", personal="name text")

    id = fields.IntField(primary_key=True)
    activity: fields.ForeignKeyRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.CASCADE
    )
    activity_id: int
    position = fields.IntField()
    #: None where the record does not say.
    at = fields.DatetimeField(null=True)
    name = fields.CharField(max_length=60, default="")
    text = fields.TextField()
    entry: fields.ForeignKeyNullableRelation[LedgerEntry] = fields.ForeignKeyField(
        "yetan_meetings.LedgerEntry", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    entry_id: int | None
    #: What the entry became: whoever raised it is masked here as well when their data are erased (C74).
    issue: fields.ForeignKeyNullableRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name=False, on_delete=fields.RESTRICT, null=True, db_index=True
    )
    issue_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_chat_line"
        unique_together = (("activity", "position"),)


class Topic(Record):
    """What a resident proposes to talk about, at the next meeting of the unit or at one. Shown once it was read."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="unit activity state decided_at decided_by at person",
        personal="title text name reason",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    activity: fields.ForeignKeyNullableRelation[Activity] = fields.ForeignKeyField(
        _ACTIVITY, related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    activity_id: int | None
    title = fields.CharField(max_length=60)
    text = fields.TextField(default="")
    name = fields.CharField(max_length=60, default="")
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    #: "waiting", "shown" or "declined", with a reason.
    state = fields.CharField(max_length=10, default="waiting")
    reason = fields.TextField(default="")
    at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)
    decided_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    decided_by_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_topic"


class TopicComment(Record):
    """What a resident says about a topic beforehand. Shown once it was read."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="topic state at decided_at decided_by person", personal="text name", person="person_id", erase="delete"
    )

    id = fields.IntField(primary_key=True)
    topic: fields.ForeignKeyRelation[Topic] = fields.ForeignKeyField(
        "yetan_meetings.Topic", related_name="comments", on_delete=fields.CASCADE, db_index=True
    )
    topic_id: int
    text = fields.TextField()
    name = fields.CharField(max_length=60, default="")
    person: fields.ForeignKeyNullableRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    person_id: int | None
    #: "waiting", "shown" or "declined".
    state = fields.CharField(max_length=10, default="waiting")
    at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)
    decided_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    decided_by_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_topic_comment"


class WorkPlan(UnitRecord):
    """夜谈工作方案: how a township means to hold its night talks in a year (002-C2)."""

    privacy: ClassVar[Privacy] = UnitRecord.tags(public="title date text", internal="year")

    title = fields.CharField(max_length=60)
    #: The day it was issued.
    date = fields.DateField()
    year = fields.IntField()
    text = fields.TextField()

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_work_plan"


class Confirmation(Record):
    """One of the 六个有 of a township in a year, confirmed by hand where no record can say it (002-C2)."""

    privacy: ClassVar[Privacy] = Privacy(internal="unit year which note at by")

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.RESTRICT
    )
    unit_id: int
    year = fields.IntField()
    #: 1 to 6, in the order of the founding document.
    which = fields.IntField()
    note = fields.CharField(max_length=200, default="")
    at = fields.DatetimeField()
    by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    by_id: int | None

    class Meta:
        app = "yetan_meetings"
        table = "yetan_meetings_confirmation"
        unique_together = (("unit", "year", "which"),)
