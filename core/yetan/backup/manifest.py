"""What a backup says of itself: the first thing in it, read before anything else is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from yetan.errors import YetanError

DATABASES: Mapping[str, str] = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
SECRET = "secret_key"  # noqa: S105 - a member's name
UPLOADS = "uploads/"
CONFIGURATION = "configuration/"
#: The deployment's configuration file, whatever it was called.
CONFIGURATION_FILE = f"{CONFIGURATION}yetan.toml"

_UPLOAD = re.compile(r"uploads/([0-9a-f]{2})/([0-9a-f]{2})/\1\2[0-9a-f]{28}\.[a-z0-9]{1,8}")


class BackupRefused(YetanError):  # noqa: N818 - read as "the backup was refused"
    """A backup that cannot be made or taken back. The message tells the operator, in Chinese, why and what to do.

    Nothing was changed.
    """


@dataclass(frozen=True)
class Manifest:
    """What is in a backup, of which city, and what is needed to bring it back."""

    __pydantic_config__ = {"extra": "forbid"}

    city: str
    #: Everything acknowledged before this instant (UTC) is in it.
    taken_at: datetime
    #: The version of Yetan that made it.
    yetan: str
    database: Literal["sqlite", "postgresql"]
    #: Product and version of the database.
    server: str
    #: The plugins switched on at the last upgrade, with their versions.
    plugins: dict[str, str]
    #: The migrations applied, as in "yetan.0001_initial".
    migrations: list[str]
    #: Rows by table.
    counts: dict[str, int]
    #: How many uploads a row names that were gone from the disk before.
    missing_uploads: int
    #: Every member after this one but the last, in order, with its size in bytes.
    members: dict[str, int]

    @property
    def database_member(self) -> str:
        """The name of the database's dump."""
        return DATABASES[self.database]

    @property
    def total(self) -> int:
        """Bytes of all members, unpacked."""
        return sum(self.members.values())

    def to_json(self) -> bytes:
        """The manifest as it stands in the archive."""
        from pydantic import TypeAdapter  # the site itself makes no backups

        return TypeAdapter(Manifest).dump_json(self, indent=1)

    @staticmethod
    def from_json(data: bytes) -> Manifest:
        """Read a manifest. Raises `BackupRefused` for anything a backup would not say, traversing names included."""
        from pydantic import TypeAdapter, ValidationError

        try:
            manifest = TypeAdapter(Manifest).validate_json(data)
        except ValidationError:
            raise BackupRefused("备份的清单读不懂：它是别的程序写的，或者来自更新的版本。什么都没有改动。") from None
        names = manifest.members
        if manifest.database_member not in names or any(not _is_member(name, manifest.database) for name in names):
            raise BackupRefused("备份的清单里有不该有的文件名，或者缺了数据库。这不是夜谈做的备份，什么都没有改动。")
        if manifest.taken_at.tzinfo is None or any(size < 0 for size in names.values()):
            raise BackupRefused("备份的清单里有不可能的数值。这不是夜谈做的备份，什么都没有改动。")
        return manifest

    def asdict(self) -> dict[str, object]:
        """The manifest without its list of members, for showing."""
        return {name: value for name, value in asdict(self).items() if name != "members"}


def _is_member(name: str, database: str) -> bool:
    if name in (DATABASES[database], SECRET) or _UPLOAD.fullmatch(name):
        return True
    path = PurePosixPath(name)
    return (
        name.startswith(CONFIGURATION)
        and name == str(path)
        and name.isprintable()
        and "\\" not in name
        and not any(part.startswith(".") for part in path.parts)
    )
