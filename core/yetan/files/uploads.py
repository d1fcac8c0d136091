"""Tables that somebody uploaded and looks at before confirming: kept for a day, for that account alone, then gone.

What is kept is the table that was read, apart and once; the file itself, which may be anything, goes at once.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.datastructures import UploadFile

from yetan.access.secrets import new_token
from yetan.act import Act
from yetan.errors import Conflict, NotFound
from yetan.i18n import message_ids
from yetan.runtime import current
from yetan.spreadsheets import Columns, Table
from yetan.spreadsheets.apart import read_table_apart

#: How long an upload that nobody confirmed stays; it may hold names and phone numbers.
KEPT = timedelta(days=1)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: The upload until it has been read; the table; the table while it is being taken in.
_FILE, _TABLE, _TAKEN = "file", "table", "taken"
_TAKEN_ELSEWHERE = message_ids("这份表正在写入，或者已经写完。请稍等一会儿，再打开这一页看结果。")
_GONE = message_ids("这份上传已经处理过，或者放了一天以上被清掉了。请重新上传。")


class Upload(Struct, frozen=True):
    """A kept upload. `about` is what was said with it, and what came of it."""

    token: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def filename(self) -> str:
        """What its owner calls it; for messages alone, never a path."""
        return str(self.about["filename"])

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """What came of it, or None."""
        return self.about.get("outcome")

    async def read(self, name: str = _TABLE) -> Table:
        """The table. Raises `Conflict` while another request takes it in."""
        try:
            return await asyncio.to_thread(_load, self.folder / name)
        except FileNotFoundError:
            raise Conflict(_TAKEN_ELSEWHERE) from None

    @asynccontextmanager
    async def claimed(self) -> AsyncIterator[Table]:
        """The table, for one request alone; if the block fails, it may be tried again.

        Raises `Conflict` while another request has it.
        """
        try:
            (self.folder / _TABLE).rename(self.folder / _TAKEN)
        except FileNotFoundError:
            raise Conflict(_TAKEN_ELSEWHERE) from None
        try:
            yield await self.read(_TAKEN)
        except BaseException:
            (self.folder / _TAKEN).rename(self.folder / _TABLE)
            raise
        (self.folder / _TAKEN).unlink(missing_ok=True)

    def finish(self, **outcome: Any) -> None:
        """Note what came of it."""
        _write(self.folder, {**self.about, "outcome": outcome})

    def discard(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


async def keep(act: Act, file: UploadFile, kind: str, columns: Columns, **about: Any) -> Upload:
    """Read an uploaded table and keep it under a random name, for the account of `act`. Raises SpreadsheetError."""
    forget_old(act.now)
    token = new_token()
    folder = _folder() / f"{act.actor.account_id}-{token}"
    said = {"filename": (file.filename or "")[:100], "kind": kind, "at": act.now.isoformat(), **about}
    kept = Upload(token, folder, said)
    folder.mkdir(parents=True, mode=0o700)
    try:
        await asyncio.to_thread(_store, folder / _FILE, file)
        table = await read_table_apart(folder / _FILE, filename=kept.filename, columns=columns)
        (folder / _FILE).unlink()
        await asyncio.to_thread(_dump, folder / _TABLE, table)
        _write(folder, said)
    except BaseException:
        kept.discard()
        raise
    return kept


def find(act: Act, token: str, kind: str) -> Upload:
    """The upload of that token, of that kind and of the account of `act`. Raises `NotFound`."""
    folder = _folder() / f"{act.actor.account_id}-{token}"
    if not _TOKEN.fullmatch(token) or not (folder / "about.json").is_file():
        raise NotFound(_GONE)
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if about["kind"] != kind:
        raise NotFound(_GONE)
    return Upload(token, folder, about)


def forget_old(now: datetime) -> int:
    """Remove uploads older than `KEPT`; returns how many. For a daily job, and each time somebody uploads."""
    removed = 0
    for folder in _folder().glob("*"):
        # The file system's own time: what a crash left half-written has no other.
        with suppress(FileNotFoundError):  # its owner discarded it meanwhile
            if folder.stat().st_mtime < (now - KEPT).timestamp():
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


def _folder() -> Path:
    return current().configuration.data_dir / "imports"


def _store(path: Path, file: UploadFile) -> None:
    with path.open("wb") as kept:
        shutil.copyfileobj(file.file, kept)


def _dump(path: Path, table: Table) -> None:
    path.write_bytes(pickle.dumps(table))


def _load(path: Path) -> Table:
    table: Table = pickle.loads(path.read_bytes())  # noqa: S301 - written by `_dump`, in a folder nobody else writes
    return table


def _write(folder: Path, about: Mapping[str, Any]) -> None:
    (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
