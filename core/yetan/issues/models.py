"""Issues and everything that belongs to one."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.people.models import Account, Person
from yetan.privacy import Privacy
from yetan.units.models import Unit


class Category(Record):
    """A node of the official category tree, of at most three levels."""

    privacy: ClassVar[Privacy] = Privacy(public="parent name path level position active")

    id = fields.IntField(primary_key=True)
    parent: fields.ForeignKeyNullableRelation[Category] = fields.ForeignKeyField(
        "yetan.Category", related_name="children", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    parent_id: int | None
    name = fields.CharField(max_length=60)
    #: The names from the top, joined by "/": unique where a NULL parent would not be.
    path = fields.CharField(max_length=200, unique=True)
    level = fields.IntField()
    position = fields.IntField(default=0)
    active = fields.BooleanField(default=True)

    class Meta:
        app = "yetan"
        table = "yetan_category"
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class Issue(Record):
    """A matter with a number, an owner and a deadline, struck off only when residents accept the result."""

    privacy: ClassVar[Privacy] = Privacy(
        internal=(
            "number source source_number fingerprint kind collective category unit responsible_unit owner supervisor "
            "state round version via origin_kind origin_id raised_at raised_precision listed_at deadline resolved_at "
            "struck_off_at historical resolved_by"
        ),
        personal="title text place measures outcome extra",
    )

    id = fields.IntField(primary_key=True)
    #: Digits that can be said by phone: "26-1183".
    number = fields.CharField(max_length=20, unique=True)
    #: Where an imported issue comes from, and its number there; together its identity.
    source = fields.CharField(max_length=60, null=True)
    source_number = fields.CharField(max_length=60, null=True)
    #: Hash of the normalised text, for repeats (001-23).
    fingerprint = fields.CharField(max_length=64, db_index=True)
    kind = fields.CharField(max_length=30)
    #: A collective matter is fed back on the board, a personal one to the person (002-B13, 002-B14).
    collective = fields.BooleanField(default=False)
    title = fields.CharField(max_length=200)
    text = fields.TextField()
    place = fields.CharField(max_length=200, default="")
    category: fields.ForeignKeyNullableRelation[Category] = fields.ForeignKeyField(
        "yetan.Category", related_name="issues", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    category_id: int | None
    #: Where it was raised; feeding back and acceptance stay with this unit.
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="issues", on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    #: Who has to act now: the same unit, a department, or a unit above.
    responsible_unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="responsible_issues", on_delete=fields.RESTRICT, db_index=True
    )
    responsible_unit_id: int
    owner: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="owned_issues", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    owner_id: int | None
    supervisor: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="supervised_issues", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    supervisor_id: int | None
    state = fields.CharField(max_length=40)
    #: Which handling this is: 1, and one more each time residents return it.
    round = fields.IntField(default=1)
    #: Compare-and-set: every change adds one (C61).
    version = fields.IntField(default=1)
    measures = fields.TextField(default="")
    outcome = fields.TextField(default="")
    #: meeting, visit, reception, online, phone or import.
    via = fields.CharField(max_length=30, default="online")
    origin_kind = fields.CharField(max_length=40, default="")
    origin_id = fields.IntField(null=True)
    raised_at = fields.DatetimeField()
    #: day, minute or second: what the ledger gave.
    raised_precision = fields.CharField(max_length=10, default="second")
    listed_at = fields.DatetimeField(null=True)
    deadline = fields.DatetimeField(null=True)
    resolved_at = fields.DatetimeField(null=True)
    resolved_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="resolved_issues", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    resolved_by_id: int | None
    struck_off_at = fields.DatetimeField(null=True)
    historical = fields.BooleanField(default=False)
    #: Cells of an imported row that no field takes, under their headings.
    extra: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)

    class Meta:
        app = "yetan"
        table = "yetan_issue"
        unique_together = (("source", "source_number"),)
        indexes = [
            Index(fields=("state", "raised_at", "id"), name="yetan_issue_state"),
            Index(fields=("owner_id", "state", "deadline"), name="yetan_issue_owner_queue"),
            Index(fields=("responsible_unit_id", "state", "deadline"), name="yetan_issue_unit_queue"),
            Index(fields=("unit_id", "historical", "state"), name="yetan_issue_home_queue"),
            Index(fields=("origin_kind", "origin_id"), name="yetan_issue_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


class IssueScope(Record):
    """A unit whose subtree of posts may see the issue: one row per ancestor of each unit concerned."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue unit raised_at")

    id = fields.BigIntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="issue_scopes", on_delete=fields.RESTRICT
    )
    unit_id: int
    raised_at = fields.DatetimeField()
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="scopes", on_delete=fields.CASCADE
    )
    issue_id: int

    class Meta:
        app = "yetan"
        table = "yetan_issue_scope"
        unique_together = (("issue", "unit"),)
        indexes = [Index(fields=("unit_id", "raised_at", "issue_id"), name="yetan_issue_scope_walk")]


class Raiser(Record):
    """A person who raised the issue; there may be several."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue person at", person="person_id")

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="raisers", on_delete=fields.CASCADE
    )
    issue_id: int
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name="raised", on_delete=fields.RESTRICT, db_index=True
    )
    person_id: int
    at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_raiser"
        unique_together = (("issue", "person"),)


class Remark(Record):
    """The words that go with an event: a reason, a progress note, an opinion. Erasable, unlike the event."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="issue event_id kind at audience author",
        personal="text",
        sensitive="person_id",
        person="person_id",
    )

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="remarks", on_delete=fields.CASCADE, db_index=True
    )
    issue_id: int
    event_id = fields.BigIntField(db_index=True)
    #: The field of the form it was typed in: reason, opinion, text, outcome ...
    kind = fields.CharField(max_length=30)
    text = fields.TextField()
    audience = fields.CharField(max_length=10)
    at = fields.DatetimeField()
    author: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="remarks", on_delete=fields.SET_NULL, null=True, db_index=True
    )
    author_id: int | None
    #: The resident whose words these are, if a resident's.
    person_id = fields.IntField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_remark"


class Feedback(Record):
    """Residents were told the result: in person for a personal matter, posted for a collective one (002-B13, B14)."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue round way at by", personal="text")

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="feedbacks", on_delete=fields.CASCADE, db_index=True
    )
    issue_id: int
    round = fields.IntField()
    #: visit, wechat, phone or posted.
    way = fields.CharField(max_length=10)
    text = fields.TextField(default="")
    at = fields.DatetimeField()
    by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="feedbacks", on_delete=fields.SET_NULL, null=True, db_index=True
    )
    by_id: int | None

    class Meta:
        app = "yetan"
        table = "yetan_feedback"


class Acceptance(Record):
    """A resident's verdict on a handling round: accepted, or sent back with a reason (002-B16)."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="issue round accepted at recorded_by person",
        personal="text witness",
        person="person_id",
    )

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="acceptances", on_delete=fields.CASCADE
    )
    issue_id: int
    round = fields.IntField()
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name="acceptances", on_delete=fields.RESTRICT, db_index=True
    )
    person_id: int
    accepted = fields.BooleanField()
    text = fields.TextField(default="")
    at = fields.DatetimeField()
    #: The official who wrote down a verdict given on paper or by word of mouth, and who else was there.
    recorded_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account",
        related_name="recorded_acceptances",
        on_delete=fields.SET_NULL,
        null=True,
        db_index=True,
    )
    recorded_by_id: int | None
    witness = fields.CharField(max_length=120, default="")

    class Meta:
        app = "yetan"
        table = "yetan_acceptance"
        unique_together = (("issue", "round", "person"),)


class Rating(Record):
    """A satisfaction slip (002-B15): one per person and handling round, decided by the database (C63)."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="issue round score at person",
        personal="text",
        person="person_id",
    )

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="ratings", on_delete=fields.CASCADE
    )
    issue_id: int
    round = fields.IntField()
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "yetan.Person", related_name="ratings", on_delete=fields.RESTRICT, db_index=True
    )
    person_id: int
    #: satisfied, basically or dissatisfied.
    score = fields.CharField(max_length=20)
    text = fields.TextField(default="")
    at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_rating"
        unique_together = (("issue", "round", "person"),)


class IssueLink(Record):
    """Two issues that belong together: repeat (001-23), appeal to a higher unit (001-09), merged, same_text."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue other kind at")

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="links", on_delete=fields.CASCADE
    )
    issue_id: int
    other: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="linked_from", on_delete=fields.CASCADE, db_index=True
    )
    other_id: int
    kind = fields.CharField(max_length=20)
    at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_issue_link"
        unique_together = (("issue", "other", "kind"),)
