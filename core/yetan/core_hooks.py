"""What the core declares, through the same hooks as any plugin."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from yetan.access.permissions import PERMISSIONS
from yetan.audit.pages import NAVIGATION as AUDIT_NAVIGATION
from yetan.audit.pages import PAGES as AUDIT_PAGES
from yetan.audit.sealing import JOBS as AUDIT_JOBS
from yetan.documents.pages import PAGES as DOCUMENT_PAGES
from yetan.documents.service import LEDGER_ENTRY
from yetan.events.pages import NAVIGATION as EVENT_NAVIGATION
from yetan.events.pages import PAGES as EVENT_PAGES
from yetan.files.pages import PAGES as FILE_PAGES
from yetan.hookspecs import hookimpl
from yetan.issues import docket, lifecycle
from yetan.issues.bulk import core_bulk_actions
from yetan.issues.events import EVENT_TYPES as ISSUE_EVENTS
from yetan.issues.models import Issue
from yetan.issues.pages import NAVIGATION as ISSUE_NAVIGATION
from yetan.issues.pages import PAGES as ISSUE_PAGES
from yetan.issues.scope import issue_units, visible_issues
from yetan.issues.search import SOURCE as ISSUE_SOURCE
from yetan.issues.service import fall_due
from yetan.notices.pages import NAVIGATION as NOTICE_NAVIGATION
from yetan.notices.pages import PAGES as NOTICE_PAGES
from yetan.notices.service import EVENTS as NOTICE_EVENTS
from yetan.notices.service import GIVEN, NOTICE_KINDS, tell
from yetan.people.pages import NAVIGATION as PEOPLE_NAVIGATION
from yetan.people.pages import PAGES as PEOPLE_PAGES
from yetan.people.scope import VISIBILITY as PEOPLE_VISIBILITY
from yetan.people.service import TAKE_OVER, take_over
from yetan.plugins.declarations import (
    BulkAction,
    DocumentKind,
    DueKind,
    EventType,
    Guard,
    Job,
    Metric,
    NavigationItem,
    NoticeKind,
    Page,
    Permission,
    Rule,
    State,
    Subscription,
    Transition,
    Visibility,
)
from yetan.plugins.pages import NAVIGATION as PLUGIN_NAVIGATION
from yetan.plugins.pages import PAGES as PLUGIN_PAGES
from yetan.plugins.quarantine import EVENT_TYPES as QUARANTINE_EVENTS
from yetan.plugins.quarantine import NOTICE_KIND as QUARANTINE_NOTICE
from yetan.publication import projection
from yetan.publication.pages import NAVIGATION as BOARD_NAVIGATION
from yetan.publication.pages import PAGES as BOARD_PAGES
from yetan.publication.search import SOURCE as BOARD_SOURCE
from yetan.records import projection as records
from yetan.rules.pages import NAVIGATION as RULE_NAVIGATION
from yetan.rules.pages import PAGES as RULE_PAGES
from yetan.rules.service import CORE_RULES
from yetan.search import SearchSource
from yetan.searching.admin_pages import NAVIGATION as SEARCH_NAVIGATION
from yetan.searching.admin_pages import PAGES as SEARCH_PAGES
from yetan.searching.places import JOBS as PLACE_JOBS
from yetan.statistics.service import CORE_METRICS
from yetan.units.pages import NAVIGATION as UNIT_NAVIGATION
from yetan.units.pages import PAGES as UNIT_PAGES
from yetan.upkeep import JOBS
from yetan.web.access_pages import PAGES as ACCESS_PAGES
from yetan.web.api_pages import PAGES as API_PAGES
from yetan.web.health import PAGES as HEALTH_PAGES
from yetan.web.metrics import PAGES as METRICS_PAGES

_EVENT_TYPES = (
    EventType("publication.approved", "公开"),
    EventType("publication.corrected", "更正公开内容"),
    EventType("publication.withdrawn", "撤下公开"),
    EventType(projection.PROJECTED, "公开板已更新"),
    EventType(GIVEN, "送出消息"),
    EventType(records.PROJECTED, "公开的登记已更新"),
    EventType("unit.added", "新增单位"),
    EventType("unit.changed", "单位变更"),
    EventType("unit.merged", "单位合并"),
    EventType("account.added", "新增账号"),
    EventType("account.changed", "账号变更"),
    EventType("post.appointed", "任职"),
    EventType("post.ended", "离任"),
    EventType("post.handed_over", "交接"),
    EventType("link.added", "建立联系"),
    EventType("link.ended", "结束联系"),
    EventType("person.erased", "删除个人信息"),
    EventType("rule.set", "规则变更"),
    EventType("rule.document_issued", "发布规则文件"),
)


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return PERMISSIONS


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (
        *BOARD_PAGES,
        *ISSUE_PAGES,
        *NOTICE_PAGES,
        *DOCUMENT_PAGES,
        *FILE_PAGES,
        *PEOPLE_PAGES,
        *UNIT_PAGES,
        *RULE_PAGES,
        *SEARCH_PAGES,
        *EVENT_PAGES,
        *PLUGIN_PAGES,
        *AUDIT_PAGES,
        *ACCESS_PAGES,
        *API_PAGES,
        *HEALTH_PAGES,
        *METRICS_PAGES,
    )


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return (
        *BOARD_NAVIGATION,
        *ISSUE_NAVIGATION,
        *NOTICE_NAVIGATION,
        *PEOPLE_NAVIGATION,
        *UNIT_NAVIGATION,
        *RULE_NAVIGATION,
        *SEARCH_NAVIGATION,
        *EVENT_NAVIGATION,
        *PLUGIN_NAVIGATION,
        *AUDIT_NAVIGATION,
    )


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (Visibility(Issue, visible_issues, issue_units), *PEOPLE_VISIBILITY)


@hookimpl
def yetan_issue_states() -> Sequence[State]:
    return lifecycle.STATES


@hookimpl
def yetan_issue_transitions() -> Sequence[Transition]:
    return lifecycle.TRANSITIONS


@hookimpl
def yetan_issue_guards() -> Sequence[Guard]:
    return lifecycle.guards()


@hookimpl
def yetan_bulk_actions() -> Sequence[BulkAction]:
    return core_bulk_actions()


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (*ISSUE_EVENTS, docket.EVENT_TYPE, *QUARANTINE_EVENTS, *_EVENT_TYPES)


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return (
        projection.SUBSCRIPTION,
        records.SUBSCRIPTION,
        Subscription("core.notices", NOTICE_EVENTS, tell),
    )


@hookimpl
def yetan_jobs() -> Sequence[Job]:
    return (*JOBS, *AUDIT_JOBS, *PLACE_JOBS, docket.JOB)


@hookimpl
def yetan_due_kinds() -> Sequence[DueKind]:
    return (
        *(DueKind(name, partial(fall_due, kind=name)) for name in ("issue.due_soon", "issue.overdue")),
        DueKind(TAKE_OVER, take_over),
    )


@hookimpl
def yetan_rules() -> Sequence[Rule]:
    return CORE_RULES


@hookimpl
def yetan_documents() -> Sequence[DocumentKind]:
    return (LEDGER_ENTRY,)


@hookimpl
def yetan_metrics() -> Sequence[Metric]:
    return CORE_METRICS


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return (*NOTICE_KINDS, docket.NOTICE_KIND, QUARANTINE_NOTICE)


@hookimpl
def yetan_search_sources() -> Sequence[SearchSource]:
    return (BOARD_SOURCE, ISSUE_SOURCE)
