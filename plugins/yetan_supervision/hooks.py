"""What supervision declares."""

from __future__ import annotations

from collections.abc import Sequence

from yetan.api import (
    BulkAction,
    DocumentKind,
    DueKind,
    EventType,
    Issue,
    NavigationItem,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Rule,
    Subscription,
    hookimpl,
)
from yetan_supervision import pages, service

_ISSUERS = frozenset({"township_clerk", "leader", "supervisor"})
_READERS = _ISSUERS | {"village_official", "department_official"}
#: Whatever moves an issue may move, make or take away its deadline.
_EVENTS = tuple(
    f"issue.{name}"
    for name in (
        "list",
        "start",
        "extend",
        "settle",
        "resolve",
        "return",
        "transfer",
        "report_up",
        "decline",
        "merge",
        "reopen",
        "reconsider",
        "assigned",
    )
)


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return (
        Permission("supervision.view", "查看催办单", _READERS),
        Permission("supervision.dun", "发催办单", _ISSUERS),
    )


@hookimpl
def yetan_rules() -> Sequence[Rule]:
    return (
        Rule(
            service.LEAD_DAYS,
            "期限前几天还没办结就催办",
            "int",
            7,
            "002-B10",
            unit="天",
            minimum=1,
            maximum=60,
        ),
    )


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (EventType(service.DUNNED, "发出《催办单》"),)


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return (NoticeKind(service.DUNNED, "《催办单》：《{title}》（{number}）快到期限还没有办结，请抓紧。"),)


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return (Subscription("supervision.deadlines", _EVENTS, service.follow_issue),)


@hookimpl
def yetan_due_kinds() -> Sequence[DueKind]:
    return (DueKind(service.DUE, service.fall_due),)


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return pages.PAGES


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return pages.NAVIGATION


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return (
        Panel(
            "supervision.notices",
            "desk.issue",
            "supervision/panel.html",
            service.notices_of,
            "supervision.view",
        ),
    )


@hookimpl
def yetan_bulk_actions() -> Sequence[BulkAction]:
    return (
        BulkAction(
            "supervision.dun",
            "发催办单",
            "supervision.dun",
            run=service.dun_one_of_several,
            refusal=service.dun_refusal,
            irrevocable="《催办单》发出去，责任人马上收到，收不回来。",
            rule="002-B10",
            description="期限前还没有办结的，发《催办单》给责任单位。",
            position=10,
        ),
    )


@hookimpl
def yetan_documents() -> Sequence[DocumentKind]:
    return (
        DocumentKind(
            "dunning_notice",
            "催办单",
            Issue,
            "supervision.view",
            "supervision/dunning_notice.html",
            service.notice_paper,
            service.has_notice,
        ),
    )
