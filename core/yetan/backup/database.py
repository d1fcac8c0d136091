"""What both kinds of database give to a backup and ask of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from yetan.access.models import Session, SignInLink
from yetan.db.model import Record
from yetan.files.models import Attachment
from yetan.plugins.models import EnabledPlugin

#: Asked of the snapshot itself, so that the answers belong to exactly those rows.
UPLOADS = f"SELECT stored_name FROM {Attachment._meta.db_table} ORDER BY id"  # noqa: S608 - our own table's name
PLUGINS = f"SELECT name, version FROM {EnabledPlugin._meta.db_table} WHERE enabled ORDER BY id"  # noqa: S608 - as above
MIGRATIONS = "SELECT app, name FROM tortoise_migrations ORDER BY id"

#: Emptied when a backup is taken back: who was signed out, or lost an account, since then stays out.
FORGOTTEN: tuple[type[Record], ...] = (Session, SignInLink)


class Dump(Struct, frozen=True):
    """A consistent copy of a database, and what it says."""

    server: str
    uploads: Sequence[str]
    plugins: Mapping[str, str]
    migrations: Sequence[str]
    counts: Mapping[str, int]


def count_of(table: str) -> str:
    """The query that counts a table's rows."""
    return f"""SELECT count(*) FROM "{table}" """  # noqa: S608 - a name read from the catalogue, quotes refused
