"""All models of the core, as the one module Tortoise is given for the app `yetan`."""

from yetan.access.models import Session, SignInLink, Throttle
from yetan.audit.models import AuditChain, AuditRecord
from yetan.events.models import Delivery, Due, Event, JobRun, RequestKey, Sequence, Subject
from yetan.files.models import Attachment
from yetan.issues.desk_models import BulkItem, BulkRun, DeskSettings, SavedFilter
from yetan.issues.models import (
    Acceptance,
    Category,
    Feedback,
    Issue,
    IssueLink,
    IssueScope,
    Raiser,
    Rating,
    Remark,
)
from yetan.notices.models import Notice
from yetan.people.models import Account, Household, HouseholdMember, Link, Person, Post
from yetan.plugins.models import EnabledPlugin, PluginFailure, PluginTime, Quarantine
from yetan.publication.models import Publication, PublicIssue, PublicIssueScope
from yetan.records.models import PublicRecord
from yetan.rules.models import RuleDocument, RuleValue
from yetan.searching.models import PlaceName, SearchedText, SynonymChange, SynonymRing
from yetan.statistics.models import Counter
from yetan.units.models import Unit, UnitAncestor, UnitMerger, UnitName

__all__ = [
    "Acceptance",
    "Account",
    "Attachment",
    "AuditChain",
    "AuditRecord",
    "BulkItem",
    "BulkRun",
    "Category",
    "Counter",
    "Delivery",
    "DeskSettings",
    "Due",
    "EnabledPlugin",
    "Event",
    "Feedback",
    "Household",
    "HouseholdMember",
    "Issue",
    "IssueLink",
    "IssueScope",
    "JobRun",
    "Link",
    "Notice",
    "Person",
    "PlaceName",
    "PluginFailure",
    "PluginTime",
    "Post",
    "PublicIssue",
    "PublicIssueScope",
    "PublicRecord",
    "Publication",
    "Quarantine",
    "Raiser",
    "Rating",
    "Remark",
    "RequestKey",
    "RuleDocument",
    "RuleValue",
    "SavedFilter",
    "SearchedText",
    "Sequence",
    "Session",
    "SignInLink",
    "Subject",
    "SynonymChange",
    "SynonymRing",
    "Throttle",
    "Unit",
    "UnitAncestor",
    "UnitMerger",
    "UnitName",
]
