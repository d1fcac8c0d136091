"""Tables that somebody uploaded and looks at before confirming: kept for a day, for that account alone, then gone."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile

from yetan.access.secrets import new_token
from yetan.act import Act
from yetan.errors import Conflict, NotFound
from yetan.runtime import current

#: How long an upload that nobody confirmed stays; it may hold names and phone numbers.
KEPT = timedelta(days=1)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_GONE = "这份上传已经处理过，或者放了一天以上被清掉了。请重新上传。"


@dataclass(frozen=True, slots=True)
class Upload:
    """A kept upload. `about` is what was said with it, and what came of it."""

    token: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def table(self) -> Path:
        """The uploaded file; gone once it has been taken in."""
        return self.folder / "table"

    @property
    def filename(self) -> str:
        """What its owner calls it; for messages alone, never a path."""
        return str(self.about["filename"])

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """What came of it, or None."""
        return self.about.get("outcome")

    @contextmanager
    def claimed(self) -> Iterator[Path]:
        """The table, for one request alone; if the block fails, it may be tried again.

        Raises `Conflict` while another request has it.
        """
        taken = self.folder / "taken"
        try:
            self.table.rename(taken)
        except FileNotFoundError:
            raise Conflict("这份表正在写入，或者已经写完。请稍等一会儿，再打开这一页看结果。") from None
        try:
            yield taken
        except BaseException:
            taken.rename(self.table)
            raise
        taken.unlink(missing_ok=True)

    def finish(self, **outcome: Any) -> None:
        """Note what came of it."""
        _write(self.folder, {**self.about, "outcome": outcome})

    def discard(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


async def keep(act: Act, file: UploadFile, kind: str, **about: Any) -> Upload:
    """Keep an uploaded file under a random name, for the account of `act`."""
    token = new_token()
    folder = _folder() / f"{act.actor.account_id}-{token}"
    said = {"filename": (file.filename or "")[:100], "kind": kind, "at": act.now.isoformat(), **about}
    await asyncio.to_thread(_store, folder, file, said)
    return Upload(token, folder, said)


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
        if folder.stat().st_mtime < (now - KEPT).timestamp():
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _folder() -> Path:
    return current().configuration.data_dir / "imports"


def _store(folder: Path, file: UploadFile, about: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "table").open("wb") as kept:
        shutil.copyfileobj(file.file, kept)
    _write(folder, about)


def _write(folder: Path, about: Mapping[str, Any]) -> None:
    (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
