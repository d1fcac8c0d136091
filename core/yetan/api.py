"""The one module plugins, themes and search backends import. Everything stable is re-exported here.

What is not listed in `__all__` may change without notice. The listed names follow the version `API_VERSION`.
"""

from yetan.access.roles import roles_holding
from yetan.access.scope import granted_units, holds, may, require, visible
from yetan.access.secrets import keyed_hash, new_token, same
from yetan.access.throttle import attempt
from yetan.act import ANONYMOUS, SYSTEM, Act, Actor, Clock
from yetan.audit.service import record
from yetan.db.change import change
from yetan.db.model import Record
from yetan.db.reading import load
from yetan.demonstration.tales import Scene, Stage, Tale
from yetan.errors import (
    ConfigurationError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refused,
    TooMany,
    YetanError,
)
from yetan.events.models import Event
from yetan.events.service import emit, set_due
from yetan.faults import reached
from yetan.hookspecs import hookimpl, hookspec
from yetan.i18n import message_ids, translate
from yetan.issues.following import slip_code
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue
from yetan.issues.queues import units_below
from yetan.issues.service import REPORT_FIELDS, RaiserInput, report_issue, transition_issue
from yetan.notices.service import notify
from yetan.people.models import Account, Household, Link, Person, Post
from yetan.people.service import CONSENT, LINK_KINDS, accounts_in, find_or_add_person, posts_on, require_consent, today
from yetan.plugins.declarations import (
    BulkAction,
    CounterKey,
    DocumentKind,
    DueKind,
    EventType,
    Guard,
    Job,
    Message,
    Metric,
    NavigationItem,
    NoticeChannel,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Plugin,
    Rule,
    State,
    Subscription,
    Theme,
    Transition,
    Visibility,
)
from yetan.plugins.registry import API_VERSION
from yetan.privacy import Privacy
from yetan.publication.card_pages import Card
from yetan.publication.listing import unit_choices, unit_coded
from yetan.publication.masking import mask
from yetan.publication.views import issues_from
from yetan.records.kind import Column, RecordKind, Sum
from yetan.records.models import PublicRecord, UnitRecord
from yetan.records.service import alter as alter_record
from yetan.records.service import keep as keep_record
from yetan.records.service import publish as publish_record
from yetan.records.service import published
from yetan.rules.service import value_of, values_of
from yetan.runtime import Runtime, current
from yetan.search import (
    FACETS,
    PUBLIC_SCOPE,
    Facet,
    IndexBusy,
    IndexDamaged,
    SearchBackend,
    SearchDocument,
    SearchHit,
    SearchPage,
    SearchQuery,
    SearchSource,
    SearchUnavailable,
    Vocabulary,
    person_scope,
    rings_in,
    unit_scope,
)
from yetan.statistics.service import Scoreboard, add_to_counters, month_of, scoreboard
from yetan.units.models import Unit
from yetan.units.service import ancestors_of, subtree_of, superior_of
from yetan.web.choices import account_choices, account_choices_in, choices_for, units_within
from yetan.web.downloads import listed
from yetan.web.forms import VERSION_FIELD, Field, Form, clean
from yetan.web.paging import latest_first
from yetan.web.panels import panels
from yetan.web.qr import qr_code
from yetan.web.request import Request, cookie_name, drawn_number, set_cookie
from yetan.web.submitting import NotDone, submit

__all__ = [
    "ANONYMOUS",
    "API_VERSION",
    "CONSENT",
    "FACETS",
    "LINK_KINDS",
    "PUBLIC_SCOPE",
    "REPORT_FIELDS",
    "SYSTEM",
    "VERSION_FIELD",
    "Account",
    "Act",
    "Actor",
    "BulkAction",
    "Card",
    "Clock",
    "Column",
    "ConfigurationError",
    "Conflict",
    "CounterKey",
    "DocumentKind",
    "DueKind",
    "Event",
    "EventType",
    "Facet",
    "Field",
    "Forbidden",
    "Form",
    "Guard",
    "Household",
    "IndexBusy",
    "IndexDamaged",
    "Invalid",
    "Issue",
    "Job",
    "Link",
    "Message",
    "Metric",
    "NavigationItem",
    "NotDone",
    "NotFound",
    "NoticeChannel",
    "NoticeKind",
    "Page",
    "Panel",
    "Permission",
    "Person",
    "Plugin",
    "Post",
    "Privacy",
    "PublicRecord",
    "RaiserInput",
    "Record",
    "RecordKind",
    "Refused",
    "Request",
    "Rule",
    "Runtime",
    "Scene",
    "Scoreboard",
    "SearchBackend",
    "SearchDocument",
    "SearchHit",
    "SearchPage",
    "SearchQuery",
    "SearchSource",
    "SearchUnavailable",
    "Stage",
    "State",
    "Subscription",
    "Sum",
    "Tale",
    "Theme",
    "TooMany",
    "Transition",
    "Unit",
    "UnitRecord",
    "Visibility",
    "Vocabulary",
    "YetanError",
    "account_choices",
    "account_choices_in",
    "accounts_in",
    "add_to_counters",
    "alter_record",
    "ancestors_of",
    "attempt",
    "change",
    "choices_for",
    "clean",
    "cookie_name",
    "current",
    "drawn_number",
    "emit",
    "find_or_add_person",
    "granted_units",
    "holds",
    "hookimpl",
    "hookspec",
    "issues_from",
    "keep_record",
    "keyed_hash",
    "latest_first",
    "listed",
    "load",
    "mask",
    "may",
    "message_ids",
    "month_of",
    "new_token",
    "notify",
    "panels",
    "person_scope",
    "posts_on",
    "publish_record",
    "published",
    "qr_code",
    "reached",
    "record",
    "report_issue",
    "require",
    "require_consent",
    "rings_in",
    "roles_holding",
    "same",
    "scoreboard",
    "set_cookie",
    "set_due",
    "slip_code",
    "state_of",
    "submit",
    "subtree_of",
    "superior_of",
    "today",
    "transition_issue",
    "translate",
    "unit_choices",
    "unit_coded",
    "unit_scope",
    "units_below",
    "units_within",
    "value_of",
    "values_of",
    "visible",
]
