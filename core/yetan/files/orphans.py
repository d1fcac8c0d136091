"""Stored files that no row names: what a process that died between storing and committing leaves behind (F12, F42)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from anyio import to_thread

from yetan.act import Act
from yetan.files.models import Attachment
from yetan.runtime import current

#: A file is stored moments before its row is committed; no change takes a day. A restored file counts from then on.
SPARED = timedelta(days=1)

_CHUNK = 500


async def orphans(before: datetime) -> AsyncIterator[list[Path]]:
    """In chunks: the files stored before `before` (aware) that no row names, and what was never stored wholly."""
    root = current().files.root
    folders = await to_thread.run_sync(lambda: sorted(path for path in root.glob("*/*") if path.is_dir()))
    waiting: list[Path] = []
    for folder in folders:
        waiting += await to_thread.run_sync(_older, folder, before.timestamp())
        while len(waiting) >= _CHUNK:
            yield await _unnamed(root, waiting[:_CHUNK])
            waiting = waiting[_CHUNK:]
    if waiting:
        yield await _unnamed(root, waiting)


async def sweep(act: Act) -> int:
    """Remove orphans older than `SPARED`; returns how many. A name is never given out twice, so none comes back."""
    removed = 0
    async for found in orphans(act.now - SPARED):
        for path in found:
            await to_thread.run_sync(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]
            removed += 1
    return removed


def _older(folder: Path, before: float) -> list[Path]:
    found = []
    with os.scandir(folder) as entries:
        for each in entries:
            with suppress(FileNotFoundError):  # removed meanwhile
                if each.is_file() and each.stat().st_mtime < before:
                    found.append(Path(each.path))
    return found


async def _unnamed(root: Path, paths: list[Path]) -> list[Path]:
    names = {str(path.relative_to(root)): path for path in paths}
    rows = await Attachment.filter(stored_name__in=list(names)).values_list("stored_name", flat=True)
    named = {str(name) for name in rows}
    return [path for name, path in names.items() if name not in named]
