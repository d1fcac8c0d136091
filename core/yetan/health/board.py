"""Whether the public board says what was approved, and its figures what the board says."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import AsyncIterator
from typing import Any

from yetan.db.statements import fetch
from yetan.events.models import Delivery
from yetan.health.findings import Findings
from yetan.issues.models import Issue
from yetan.plugins.declarations import Health
from yetan.publication.models import PublicIssue
from yetan.publication.projection import CHUNK
from yetan.publication.projection import stale as stale_issues
from yetan.records.models import PublicRecord
from yetan.records.projection import counted_in, stale
from yetan.runtime import current
from yetan.statistics.models import Counter

#: The subscriber that keeps the board; what waits for it is not damage.
_KEEPER = "core.board"


async def rows() -> Health:
    """Every row of the board is what approval, issue and events give now, and nothing else is there."""
    found, waiting = Findings(), 0
    async for ids in stale_chunks():
        coming = Delivery.filter(subscriber=_KEEPER, state="pending", subject_kind="issue", subject_id__in=ids)
        pending = {row["subject_id"] for row in await coming.values("subject_id")}
        waiting += len(pending)
        damaged = [each for each in ids if each not in pending]
        numbers = dict(await Issue.filter(id__in=damaged).values_list("id", "number"))
        found.extend(numbers.get(each, f"事项 id {each}") for each in damaged)
    behind = f"，{waiting} 件等着更新" if waiting else ""
    shown = await PublicIssue.all().count()
    return found.health(
        "board", f"公开 {shown} 件，内容都对{behind}", "公开板上 {} 件对不上", "请运行 yetan check --repair"
    )


async def stale_chunks() -> AsyncIterator[list[int]]:
    """The ids of issues whose rows on the board are not what they should be, in chunks."""
    last = 0
    while ids := await _published_or_shown(last):
        if found := await stale_issues(ids):
            yield found
        last = ids[-1]


async def _published_or_shown(after: int) -> list[int]:
    # Each half is cut by its index before they are put together: together they are the whole board.
    rows = await fetch(
        f"""SELECT id FROM (
            SELECT id FROM (
                SELECT subject_id AS id FROM yetan_publication
                WHERE subject_kind = 'issue' AND state = 'approved' AND subject_id > ? ORDER BY subject_id LIMIT {CHUNK}
            ) published
            UNION SELECT id FROM (
                SELECT issue_id AS id FROM yetan_public_issue WHERE issue_id > ? ORDER BY issue_id LIMIT {CHUNK}
            ) shown
        ) ids ORDER BY id LIMIT {CHUNK}""",  # noqa: S608 - a number of our own
        [after, after],
    )
    return [row["id"] for row in rows]


async def records() -> Health:
    """Every published record of a plugin's kind says what was approved, and nothing else is there."""
    found = Findings()
    for kind in current().registry.record_kinds.values():
        found.extend(f"{kind.label} {each}" for each in await stale(kind))
    return found.health("records", "内容都对", "公开的登记 {} 条对不上", "请运行 yetan check --repair")


async def figures() -> Health:
    """Every counter is what counting the board's rows gives."""
    found = Findings()
    wrong = await wrong_figures()
    found.extend(
        f"{metric} 单位 {unit} 类别 {category} {period or '全部'} 差 {difference}"
        for (metric, unit, category, period), difference in sorted(wrong.items())
    )
    return found.health("figures", "和公开板一致", "{} 个数字对不上", "请运行 yetan check --repair")


async def wrong_figures() -> Tally[tuple[Any, ...]]:
    """By counter that is wrong: what has to be added to it. Read it in a snapshot, since both change together."""
    counted: Tally[tuple[Any, ...]] = Tally()
    last = 0
    while (
        rows := await PublicIssue.filter(issue_id__gt=last)
        .order_by("issue_id")
        .limit(CHUNK)
        .only("issue_id", "counted")
    ):
        for row in rows:
            counted.update(tuple(key) for key in row.counted)
        last = rows[-1].issue_id
    last = 0
    while public := await PublicRecord.filter(id__gt=last).order_by("id").limit(CHUNK).only("id", "counted"):
        for record in public:
            counted.update(counted_in(record))
        last = public[-1].id
    for metric in current().registry.metrics.values():
        if metric.recount is not None:
            counted.update(await metric.recount())
    last = 0
    while kept := await Counter.filter(id__gt=last).order_by("id").limit(10 * CHUNK):
        counted.subtract({(row.metric, row.unit_id, row.category_id, row.period): row.value for row in kept})
        last = kept[-1].id
    # Of plugins that are off, nobody knows what was to be counted; their figures wait with them.
    known = current().registry.metrics
    return Tally({key: difference for key, difference in counted.items() if difference and key[0] in known})
