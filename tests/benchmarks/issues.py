"""A town with many published issues, written set-wise: the board's rows, their scopes and the counters."""

from __future__ import annotations

import random
from collections import Counter as Tally
from datetime import timedelta
from typing import Any

from tests.soak.city import at_work

from yetan.publication.models import PublicIssue, PublicIssueScope
from yetan.statistics.service import add_to_counters, figures_of
from yetan.testing import Town
from yetan.units.service import ancestors_of

CHUNK = 2000
#: The years over which the issues were raised.
YEARS = 3
PLACES = ("村口", "老桥头", "菜市场东门", "幼儿园门口", "三岔路", "河堤", "卫生室旁", "文化广场")
THINGS = ("路灯", "井盖", "水管", "垃圾桶", "护栏", "排水沟", "公交站牌", "健身器材")
TROUBLES = ("坏了半个月", "晚上不亮", "一下雨就漏", "没有人清理", "松动了很危险", "堵住了", "被车撞歪了")
STATES = ("struck_off",) * 6 + ("handling",) * 3 + ("listed", "resolved", "declined")


async def fill(town: Town, count: int, seed: int = 1) -> None:
    """Publish `count` invented issues in the town's villages; the same for the same seed."""
    chance = random.Random(seed)
    async with at_work(town):
        villages = [town.units[code] for code in ("village", "sibling", "other")]
        names = {town.units[code]: name for code, name in (("village", "溪尾村"), ("sibling", "荷塘社区"))}
        lines = await ancestors_of(set(villages))
        for start in range(1, count + 1, CHUNK):
            rows = []
            for number in range(start, min(start + CHUNK, count + 1)):
                row = _row(town, chance, number, count, chance.choice(villages))
                row.unit_name = row.responsible_unit_name = names.get(row.unit_id, "樟林村")
                row.counted = [list(key) for key in figures_of(row, lines[row.unit_id])]
                rows.append(row)
            await PublicIssue.bulk_create(rows, batch_size=200)
            scopes = [
                PublicIssueScope(issue_id=row.issue_id, unit_id=unit, raised_at=row.raised_at)
                for row in rows
                for unit in lines[row.unit_id]
            ]
            await PublicIssueScope.bulk_create(scopes, batch_size=200)
            await add_to_counters(Tally(tuple(key) for row in rows for key in row.counted))


def _row(town: Town, chance: random.Random, number: int, count: int, unit: int) -> PublicIssue:
    raised = town.clock() - timedelta(days=365 * YEARS) * ((count - number) / count) - timedelta(hours=1)
    state = chance.choice(STATES)
    done = raised + timedelta(days=chance.randint(1, 40)) if state in ("struck_off", "resolved") else None
    what = f"{chance.choice(PLACES)}的{chance.choice(THINGS)}{chance.choice(TROUBLES)}"
    values: dict[str, Any] = {
        "title": what,
        "text": f"{what}，{chance.choice(PLACES)}一带的老人和孩子都不方便，请尽快来看看。",
        "outcome": "换了新的，连看两天都好。" if done else "",
    }
    return PublicIssue(
        issue_id=number,
        number=f"LW{number:07}",
        place=chance.choice(PLACES),
        measures="照明所三天内更换。",
        state=state,
        kind="suggestion" if chance.random() < 0.1 else "problem",
        unit_id=unit,
        category_id=town.category,
        category_path="城乡建设/市政设施/路灯",
        top_category_id=1,
        raised_at=raised,
        raised_precision="time",
        listed_at=raised + timedelta(hours=20),
        deadline=raised + timedelta(days=15),
        resolved_at=done,
        struck_off_at=done + timedelta(days=2) if done and state == "struck_off" else None,
        updated_at=done or raised,
        raisers=1,
        timeline=[{"at": raised.isoformat(), "type": "issue.reported", "text": ""}],
        **values,
    )
