"""Sessions, one-time sign-in links and throttles."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.people.models import Account
from yetan.privacy import Privacy


class Session(Record):
    """A signed-in browser. Only a hash of its token is stored, so that a copy of the database opens no door (C41)."""

    privacy: ClassVar[Privacy] = Privacy(internal="account created_at seen_at expires_at", sensitive="token_hash")

    id = fields.IntField(primary_key=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="sessions", on_delete=fields.CASCADE, db_index=True
    )
    account_id: int
    created_at = fields.DatetimeField()
    seen_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(db_index=True)

    class Meta:
        app = "yetan"
        table = "yetan_session"


class SignInLink(Record):
    """A link that signs an account in once, before it expires."""

    privacy: ClassVar[Privacy] = Privacy(internal="account expires_at used_at", sensitive="token_hash")

    id = fields.IntField(primary_key=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="sign_in_links", on_delete=fields.CASCADE, db_index=True
    )
    account_id: int
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_sign_in_link"


class Throttle(Record):
    """How often something was tried in a window, counted by the database so that parallel tries all count."""

    privacy: ClassVar[Privacy] = Privacy(internal="name window count", sensitive="subject_hash")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=40)
    #: A keyed hash: neither phones nor addresses stand here in clear.
    subject_hash = fields.CharField(max_length=64)
    window = fields.CharField(max_length=20)
    count = fields.IntField(default=0)

    class Meta:
        app = "yetan"
        table = "yetan_throttle"
        unique_together = (("name", "subject_hash", "window"),)
