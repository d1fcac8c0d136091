"""Persons, households, accounts, posts and links."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.i18n import translate
from yetan.privacy import Privacy
from yetan.units.models import Unit


class Person(Record):
    """Somebody the city knows, with or without an account: a raiser, a villager at a meeting, an official."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="created_at unit consented_at consent_version erased_at",
        personal="name",
        sensitive="phone address",
        person="id",
    )

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=60, default="")
    phone = fields.CharField(max_length=30, default="", db_index=True)
    address = fields.CharField(max_length=200, default="")
    unit: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="persons", on_delete=fields.SET_NULL, null=True, db_index=True
    )
    unit_id: int | None
    created_at = fields.DatetimeField()
    consented_at = fields.DatetimeField(null=True)
    consent_version = fields.CharField(max_length=20, default="")
    erased_at = fields.DatetimeField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_person"

    def __str__(self) -> str:
        return self.name or translate("未留姓名")


class Household(Record):
    """Persons at an address in a unit; points and visits count by household (003-10)."""

    privacy: ClassVar[Privacy] = Privacy(internal="unit created_at", sensitive="address")

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="households", on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    address = fields.CharField(max_length=200)
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_household"
        unique_together = (("unit", "address"),)


class HouseholdMember(Record):
    """A person belongs to at most one household."""

    privacy: ClassVar[Privacy] = Privacy(internal="household person", person="person_id", erase="delete")

    id = fields.IntField(primary_key=True)
    household: fields.ForeignKeyRelation[Household] = fields.ForeignKeyField(
        "yetan.Household", related_name="members", on_delete=fields.CASCADE, db_index=True
    )
    household_id: int
    person: fields.OneToOneRelation[Person] = fields.OneToOneField(
        "yetan.Person", related_name="membership", on_delete=fields.CASCADE
    )
    person_id: int

    class Meta:
        app = "yetan"
        table = "yetan_household_member"


class Account(Record):
    """What somebody signs in with. There is no default account and no default password (C40)."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="person active created_at",
        personal="username",
        sensitive="password_hash",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    person: fields.OneToOneRelation[Person] = fields.OneToOneField(
        "yetan.Person", related_name="account", on_delete=fields.RESTRICT
    )
    person_id: int
    username = fields.CharField(max_length=60, unique=True)
    password_hash = fields.CharField(max_length=255, default="")
    active = fields.BooleanField(default=True)
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_account"

    def __str__(self) -> str:
        return self.username


class Post(Record):
    """A role and rank an account holds in a unit, from a date until a date (the last day it counts)."""

    privacy: ClassVar[Privacy] = Privacy(public="role unit title rank since until", internal="account")

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="posts", on_delete=fields.CASCADE, db_index=True
    )
    account_id: int
    role = fields.CharField(max_length=40)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="posts", on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    title = fields.CharField(max_length=60, default="")
    rank = fields.CharField(max_length=30, default="")
    since = fields.DateField()
    until = fields.DateField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_post"


class Link(Record):
    """挂包/挂点 (sponsor), 包片 (area), 联户 (household): this official answers for that unit or household (002-C9)."""

    privacy: ClassVar[Privacy] = Privacy(public="kind unit since until", internal="account household")

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="links", on_delete=fields.CASCADE, db_index=True
    )
    account_id: int
    kind = fields.CharField(max_length=20)
    unit: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="links", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    unit_id: int | None
    household: fields.ForeignKeyNullableRelation[Household] = fields.ForeignKeyField(
        "yetan.Household", related_name="links", on_delete=fields.CASCADE, null=True, db_index=True
    )
    household_id: int | None
    since = fields.DateField()
    until = fields.DateField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_link"
