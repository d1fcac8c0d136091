"""Checks of the whole at start-up. Each problem names what is wrong and what to do."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.routing import compile_path

from yetan.db.connection import Application
from yetan.db.model import Record
from yetan.plugins.declarations import PANEL_PAGES, matches
from yetan.spelling import nearest

if TYPE_CHECKING:
    from yetan.plugins.declarations import Page
    from yetan.plugins.registry import Registry

#: A page anybody with an account may open names this instead of a declared permission.
SIGNED_IN = "signed_in"
#: How much an event nobody declares is like one that is there, to be taken for it.
_MISSPELT = 0.85
#: In place of the first part of a path that begins with a parameter.
_VARYING = "{}"


def check_pages(registry: Registry) -> Iterator[str]:
    """Deny by default: a page without permission is refused, not served (C44); nor may one stand before another's."""
    names: dict[str, Page] = {}
    for page in registry.pages:
        where = f"{_by(registry, page)}page {page.name!r} ({page.path})"
        if page.public == bool(page.permission):
            yield f"{where} must either name a permission or be public=True"
        elif not _is_declared(registry, page.permission):
            yield f"{where} asks for the permission {page.permission!r}, which nobody declares"
        if page.model is not None and page.model not in registry.visibility:
            yield f"{where} loads {page.model.__name__}, for which no yetan_visibility is declared"
        if ("{id:int}" in page.path) != (page.model is not None) and not page.public:
            yield f"{where} has an id without naming its model, or a model without an id"
        if not inspect.iscoroutinefunction(page.endpoint):
            yield f"{where}: its endpoint must be an async function"
        if page.name in names:
            yield f"{where}: the name is taken by {registry.owner_of(names[page.name])!r}"
        names.setdefault(page.name, page)
    yield from _check_paths(registry)


def _check_paths(registry: Registry) -> Iterator[str]:
    """Every page is what its own path leads to: of several that match, the first would answer."""
    #: The pages before, with what their paths match, by the first part of the path.
    earlier: defaultdict[str, list[tuple[Page, str, re.Pattern[str] | None]]] = defaultdict(list)
    for page in registry.pages:
        owner, example = registry.owner_of(page), example_path(page.path)
        where = f"{_by(registry, page)}page {page.name!r} ({page.path})"
        if example.startswith("/static/"):
            yield f"{where}: what begins with /static/ is files"
        for other, of, others_pattern in (*earlier[_first_part(example)], *earlier[_VARYING]):
            # Within one plugin the order of its pages may be meant; the very same path never is.
            if other.path == page.path or (of != owner and _leads_to(other, others_pattern, example)):
                yield from (
                    f"{where}: {method} {example} is taken by {of!r} for its page {other.name!r}"
                    for method in page.methods
                    if method in other.methods
                )
        first = _first_part(page.path)
        pattern = compile_path(page.path)[0] if "{" in page.path else None
        earlier[_VARYING if "{" in first else first].append((page, owner, pattern))


def _first_part(path: str) -> str:
    return path.split("/", 2)[1]


def _leads_to(page: Page, pattern: re.Pattern[str] | None, path: str) -> bool:
    return page.path == path if pattern is None else bool(pattern.match(path))


def example_path(path: str) -> str:
    """A path that a pattern matches."""
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: {":int": "1", ":float": "1.5"}.get(found[2], found[1]), path)


def check_bulk_actions(registry: Registry) -> Iterator[str]:
    """What is done to several issues asks for a permission there is, and has a way back or says why it has none."""
    for action in registry.bulk_actions.values():
        where = f"{_by(registry, action)}bulk action {action.name!r}"
        if not _is_declared(registry, action.permission):
            yield f"{where} asks for the permission {action.permission!r}, which nobody declares"
        if action.undo is None and not action.irrevocable:
            yield f"{where} has no undo; let irrevocable tell why it cannot be taken back"


def check_navigation(registry: Registry) -> Iterator[str]:
    """Menu items lead somewhere, to where their reader may go, and so do figures."""
    pages = {page.name: page for page in registry.pages}
    for metric in registry.metrics.values():
        if metric.page and metric.page not in pages:
            yield f"{_by(registry, metric)}figure {metric.name!r} leads to {metric.page!r}, which is no page"
    for item in registry.navigation:
        where = f"{_by(registry, item)}navigation {item.label!r}"
        if item.route not in pages:
            yield f"{where} leads to the page {item.route!r}, which nobody declares"
        elif "{" in pages[item.route].path:
            yield f"{where} leads to the page {item.route!r}, whose path {pages[item.route].path} is none by itself"
        if not _is_declared(registry, item.permission):
            yield f"{where} asks for the permission {item.permission!r}, which nobody declares"


def check_notice_kinds(registry: Registry) -> Iterator[str]:
    """A line in an inbox leads somewhere."""
    pages = {page.name for page in registry.pages}
    for kind in registry.notice_kinds.values():
        if kind.route and kind.route not in pages:
            yield f"{_by(registry, kind)}notice {kind.name!r} leads to the page {kind.route!r}, which nobody declares"


def check_parts(registry: Registry) -> Iterator[str]:
    """Panels and papers ask for permissions there are, about models somebody may see."""
    places = {*PANEL_PAGES, *(page for kind in registry.record_kinds.values() for page in kind.panel_pages)}
    for panel in registry.panels:
        where = f"{_by(registry, panel)}panel {panel.name!r}"
        if not _is_declared(registry, panel.permission):
            yield f"{where} asks for the permission {panel.permission!r}, which nobody declares"
        if panel.page not in places:
            yield f"{where}: the page {panel.page!r} has no place for panels; {', '.join(sorted(places))} have"
        yield from _check_template(registry, where, panel.template)
    for kind in registry.documents.values():
        where = f"{_by(registry, kind)}document {kind.name!r}"
        if not _is_declared(registry, kind.permission):
            yield f"{where} asks for the permission {kind.permission!r}, which nobody declares"
        if kind.model not in registry.visibility:
            yield f"{where} is about {kind.model.__name__}, for which no yetan_visibility is declared"
        yield from _check_template(registry, where, kind.template)


def _check_template(registry: Registry, where: str, template: str) -> Iterator[str]:
    name = template.rpartition(":")[2]
    packages = ("yetan", *(plugin.package for plugin in registry.plugins))
    if not any(files(package).joinpath("templates", name).is_file() for package in packages):
        yield f"{where}: there is no template {template!r}; it belongs into the folder templates/ of the package"


def check_subscriptions(registry: Registry) -> Iterator[str]:
    """Nobody waits for what cannot happen: an event of one's own that is not declared, or one that is misspelt.

    What is another plugin's may be missing because that one is off.
    """
    owners = {name.partition(".")[0]: registry.owner_of(each) for name, each in registry.event_types.items()}
    for subscription in registry.subscriptions.values():
        owner = registry.owner_of(subscription)
        for pattern in (*subscription.events, *subscription.without):
            if any(matches(pattern, name) for name in registry.event_types):
                continue
            near = nearest(pattern, registry.event_types, _MISSPELT)
            own = [name for name in registry.event_types if name.startswith(pattern.partition(".")[0] + ".")]
            where = f"{_by(registry, subscription)}subscription {subscription.name!r}: nobody declares {pattern!r}"
            if near:
                yield f"{where}; did you mean {near!r}?"
            elif owners.get(pattern.partition(".")[0]) == owner:
                yield f"{where}; there are {', '.join(own)}"


def _is_declared(registry: Registry, permission: str) -> bool:
    return permission in ("", SIGNED_IN) or permission in registry.permissions


def _by(registry: Registry, declared: object) -> str:
    """Whose it is, as a problem begins with it."""
    owner = registry.owner_of(declared)
    return "" if owner == "core" else f"plugin {owner!r}: "


def models_of(application: Application) -> list[type[Record]]:
    """The app's own models: what its module defines or re-exports, without those of others that it imports."""
    return [model for model in _models_in(application.models) if model._meta.app == application.label]


def _models_in(dotted: str) -> list[type[Record]]:
    found = vars(import_module(dotted)).values()
    return [each for each in found if isinstance(each, type) and issubclass(each, Record) and not each._meta.abstract]


def all_models(registry: Registry) -> dict[str, type[Record]]:
    """Every model of the core and the enabled plugins, by table."""
    return {model._meta.db_table: model for application in registry.applications for model in models_of(application)}


def column_names(model: type[Record]) -> set[str]:
    """The names a model's columns are tagged under: a foreign key by its own name, without `_id`."""
    # The columns of relations are there only once Tortoise has started; their names always are.
    relations = model._meta.fk_fields | model._meta.o2o_fields
    return relations | (set(model._meta.fields_db_projection) - {f"{name}_id" for name in relations})


def check_models(registry: Registry) -> Iterator[str]:
    """Every model belongs to its plugin's app and has a table of its own, every column carries a privacy tag, and no
    tag names a column there is not (C72)."""
    tables: dict[str, str] = {}
    for application in registry.applications:
        try:
            models = _models_in(application.models)
        except Exception as error:
            yield f"app {application.label!r}: its models ({application.models}) cannot be imported: {error!r}"
            continue
        for model in models:
            if model._meta.app is None:
                yield f"model {model.__name__} ({application.models}) must say app = {application.label!r} in its Meta"
            elif model._meta.app == application.label:
                owner = tables.setdefault(model._meta.db_table, application.label)
                if owner != application.label:
                    yield f"model {model.__name__}: the table {model._meta.db_table!r} is that of {owner!r} already"
                yield from _check_columns(model)


def _check_columns(model: type[Record]) -> Iterator[str]:
    if not hasattr(model, "privacy"):
        yield f"model {model.__name__} ({model._meta.db_table}) has no privacy tags"
        return
    tagged = set(model.privacy.tags())
    columns = column_names(model)
    for name in sorted(columns - tagged):
        yield f"model {model.__name__}: column {name!r} has no privacy tag"
    for name in sorted(tagged - columns - {"id"}):
        yield f"model {model.__name__}: the tag for {name!r} names no column"
