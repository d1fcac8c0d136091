"""Whether the search index holds what the database holds."""

from __future__ import annotations

from yetan.events.models import Delivery
from yetan.health.findings import Findings
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime
from yetan.search import SearchBackend, SearchUnavailable
from yetan.searching.feed import Feed

_CHUNK = 500
_REMEDY = "请运行 yetan search rebuild，或者 yetan check --repair"


async def keys(city: Runtime) -> Health:
    """Every document there should be is in the index, and no other; what waits for a worker is told apart."""
    if city.search is None:
        return Health("search index", True, "没有配置搜索引擎，直接查数据库")
    try:
        missing, extra, waiting = await _differences(city, city.search)
    except SearchUnavailable as error:
        return Health("search index", False, f"读不了：{error}", _REMEDY)
    found = Findings()
    found.extend(f"缺 {key}" for key in sorted(missing))
    found.extend(f"多 {key}" for key in sorted(extra))
    behind = f"，{waiting} 条等着写入" if waiting else ""
    return found.health("search index", f"和数据库一致{behind}", "{} 条和数据库对不上", _REMEDY)


async def _differences(city: Runtime, search: SearchBackend) -> tuple[set[str], set[str], int]:
    """Keys that are missing and keys too many; and how many more there were that are on their way."""
    held = await search.keys()
    missing, extra = set[str](), set(held)
    for source in city.registry.search_sources.values():
        after = 0
        while ids := await source.ids(after, _CHUNK):
            wanted = {f"{source.kind}:{each}" for each in ids}
            missing |= wanted - held
            extra -= wanted
            after = ids[-1]
    if not missing and not extra:
        return missing, extra, 0
    # The city works on: ask what is on its way first and look at the index again after that, since what is
    # delivered is in the index by then.
    coming = await _on_their_way(city, missing | extra)
    held = await search.keys()
    doubtful = {key for key in missing if key not in held} | {key for key in extra if key in held}
    there = await _there(city, doubtful)
    damaged = {key for key in doubtful if (key in there) != (key in held)}
    return {each for each in damaged - coming if each in there}, damaged - coming - there, len(damaged & coming)


async def _on_their_way(city: Runtime, keys: set[str]) -> set[str]:
    """Those of `keys` about whose subject the index has still to be told."""
    feeders = [each.name for each in city.registry.subscriptions.values() if isinstance(each.handle, Feed)]
    told: set[int] = set()
    ids = sorted({_id(key) for key in keys})
    for start in range(0, len(ids), _CHUNK):
        rows = Delivery.filter(subscriber__in=feeders, state="pending", subject_id__in=ids[start : start + _CHUNK])
        told |= {row["subject_id"] for row in await rows.values("subject_id")}
    return {key for key in keys if _id(key) in told}


async def _there(city: Runtime, keys: set[str]) -> set[str]:
    """Those of `keys` for which the database has a document now."""
    found: set[str] = set()
    for source in city.registry.search_sources.values():
        ids = sorted(_id(key) for key in keys if key.rpartition(":")[0] == source.kind)
        for start in range(0, len(ids), _CHUNK):
            found |= {document.key for document in await source.load(ids[start : start + _CHUNK])}
    return found


def _id(key: str) -> int:
    return int(key.rpartition(":")[2])
