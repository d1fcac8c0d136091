"""Mending what can be computed anew from the issues themselves. Nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable

from yetan.health import index
from yetan.health.board import stale_chunks, wrong_figures
from yetan.health.records import unseen
from yetan.health.snapshot import snapshot
from yetan.issues.models import Issue
from yetan.issues.scope import write_scopes
from yetan.publication.projection import project
from yetan.records.projection import project as project_records
from yetan.records.projection import stale
from yetan.runtime import Runtime
from yetan.searching.feed import rebuild
from yetan.statistics.service import add_to_counters

_CHUNK = 500


async def repair(city: Runtime, tell: Callable[[str], None]) -> None:
    """Mend visibility, board, figures and index, as far as each is wrong; the city may go on working.

    `tell` is given a sentence about each that was mended. Interrupted, it is simply run again.
    """
    seen = 0
    while rows := await unseen(_CHUNK):
        await write_scopes(await Issue.filter(id__in=[row["id"] for row in rows]))
        seen += len(rows)
    if seen:
        tell(f"可见范围：补了 {seen} 件事。")
    projected = 0
    async for ids in stale_chunks():
        await project(ids, anew=True)
        projected += len(ids)
    if projected:
        tell(f"公开板：重新生成了 {projected} 件。")
    for kind in city.registry.record_kinds.values():
        if wrong_records := await stale(kind):
            await project_records(kind, wrong_records)
            tell(f"公开的{kind.label}：重新生成了 {len(wrong_records)} 条。")
    # What is added is what was missing at one instant, and stays right whatever else is added meanwhile.
    async with snapshot():
        wrong = await wrong_figures()
    await add_to_counters(wrong)
    if wrong:
        tell(f"统计数字：改正了 {len(wrong)} 个。")
    if city.search is not None and not (await index.keys(city)).ok:
        tell(f"搜索索引：重建了，现在有 {await rebuild()} 条。")
