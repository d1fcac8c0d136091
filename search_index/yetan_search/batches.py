"""Documents of a rebuild, some at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from yetan.api import SearchDocument

#: How many documents of a rebuild are written at a time; between them, updates get their turn.
BATCH = 100


async def batches(documents: AsyncIterable[SearchDocument]) -> AsyncIterator[list[SearchDocument]]:
    """Lists of at most `BATCH` documents; the last one may be empty, so that progress is told at least once."""
    batch: list[SearchDocument] = []
    async for document in documents:
        batch.append(document)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch
