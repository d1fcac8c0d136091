"""Whether every photo a row names is on the disk, and nothing else stays there."""

from __future__ import annotations

from anyio import to_thread

from yetan.files.models import Attachment
from yetan.files.orphans import SPARED, orphans
from yetan.health.findings import Findings
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime

_CHUNK = 500


async def lost(city: Runtime) -> Health:
    """Every file a row names is there."""
    found = Findings()
    last = 0
    root = city.files.root
    while rows := await Attachment.filter(id__gt=last).order_by("id").limit(_CHUNK).values("id", "stored_name"):
        names = {str(row["stored_name"]): row["id"] for row in rows}
        gone = await to_thread.run_sync(lambda names=names: [each for each in names if not (root / each).is_file()])  # type: ignore[misc]
        # A row that is removed goes before its file does: what is there no longer was erased meanwhile.
        still = Attachment.filter(id__in=[names[each] for each in gone]).order_by("id")
        for row in await still.values("id", "subject_kind", "subject_id") if gone else ():
            found.add(f"附件 {row['id']}（{row['subject_kind']} {row['subject_id']}）")
        last = rows[-1]["id"]
    return found.health(
        "uploads", "照片文件都在", "{} 张照片的文件不见了", "请从备份里把 uploads/ 下的文件放回数据文件夹的 files/"
    )


async def left(city: Runtime) -> Health:
    """What a change that failed left behind goes with the daily sweep."""
    found = Findings()
    async for paths in orphans(city.clock() - 2 * SPARED):
        found.extend(str(path.relative_to(city.files.root)) for path in paths)
    return found.health(
        "uploads left behind",
        "没有没人用的旧文件",
        "{} 个没人用的旧文件没有清掉",
        "每天的清理没有运行：请看 yetan serve 或 yetan worker 是否在运行",
    )
