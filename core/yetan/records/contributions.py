"""What a kind of record becomes: what its plugin would otherwise declare by hand, hook by hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.plugins.declarations import EventType, NavigationItem, Permission, Visibility
from yetan.records.kind import RecordKind
from yetan.records.pages import RecordPages
from yetan.records.projection import metrics_of
from yetan.records.search import sources_of
from yetan.records.service import visible_records


def contributions(kind: RecordKind) -> Mapping[str, Sequence[Any]]:
    """What `kind` adds to each hook."""
    readers = kind.keepers | kind.readers | kind.publishers
    pages = RecordPages(kind)
    view = kind.permission("view")
    kept, public = sources_of(kind)
    on_desk: dict[str, tuple[Any, ...]] = {
        "yetan_permissions": (
            Permission(view, f"查看{kind.label}", readers),
            Permission(kind.permission("keep"), f"登记{kind.label}", kind.keepers),
        ),
        "yetan_event_types": (
            EventType(f"{kind.name}.kept", f"登记{kind.label}"),
            EventType(f"{kind.name}.altered", f"修改{kind.label}"),
            EventType(f"{kind.name}.moved", "单位变更"),
        ),
        "yetan_pages": pages.on_desk(),
        "yetan_navigation": (NavigationItem("desk", kind.label, pages.list, view, position=kind.position),) * kind.menu,
        "yetan_search_sources": (kept,),
    }
    if not kind.public:
        return on_desk
    in_public: dict[str, tuple[Any, ...]] = {
        "yetan_permissions": (Permission(kind.permission("publish"), f"公开{kind.label}", kind.publishers),),
        "yetan_event_types": (
            EventType(f"{kind.name}.published", f"公开{kind.label}"),
            EventType(f"{kind.name}.withdrawn", f"撤下{kind.label}"),
        ),
        "yetan_pages": pages.in_public(),
        "yetan_navigation": (NavigationItem("public", kind.label, pages.public_list, position=kind.position),)
        * kind.menu,
        "yetan_search_sources": (public,),
        "yetan_metrics": metrics_of(kind),
    }
    return {hook: (*on_desk.get(hook, ()), *in_public.get(hook, ())) for hook in {**on_desk, **in_public}}


def sight_of(kinds: Sequence[RecordKind]) -> Visibility:
    """Who sees which records of the model that `kinds` share."""
    return Visibility(kinds[0].model, lambda act: visible_records(kinds, act), _units)


async def _units(row: Any) -> Mapping[str, int]:
    return {"responsible": row.unit_id}
