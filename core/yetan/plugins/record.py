"""What was ever enabled: written down, and found again when a plugin was switched off since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from yetan.act import Act
from yetan.db.connection import Application
from yetan.errors import ConfigurationError
from yetan.events.replay import replay_history
from yetan.plugins import discovery
from yetan.plugins.checks import models_of
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.registry import Registry
from yetan.runtime import current


async def record_enabled(registry: Registry, now: datetime) -> None:
    """Bring the record up to the enabled plugins; those no longer listed are marked as off and keep their row.

    One that is switched on, for the first time or again, is owed what happened meanwhile: see `catch_up`.
    """
    names = [plugin.name for plugin in registry.plugins]
    await EnabledPlugin.exclude(name__in=names).update(enabled=False)
    for plugin in registry.plugins:
        application = plugin.application
        models = models_of(application) if application is not None else []
        declared = {
            "models": plugin.models,
            "migrations": plugin.migrations,
            "tables": [model._meta.db_table for model in models],
            "tags": {model._meta.db_table: model.privacy.tags() for model in models},
            "states": {
                state.name: {"label": state.label, "category": state.category, "fallback": state.fallback}
                for state in registry.states.values()
                if registry.owner_of(state) == plugin.name
            },
            "subscriptions": [
                each.name for each in registry.subscriptions.values() if registry.owner_of(each) == plugin.name
            ],
            "due_kinds": [each.name for each in registry.due_kinds.values() if registry.owner_of(each) == plugin.name],
            "record_kinds": [
                each.name for each in registry.record_kinds.values() if registry.owner_of(each) == plugin.name
            ],
            "metrics": [each.name for each in registry.metrics.values() if registry.owner_of(each) == plugin.name],
        }
        row, created = await EnabledPlugin.get_or_create(
            {
                "version": plugin.version,
                "declared": declared,
                "first_enabled_at": now,
                "seen_at": now,
                "catching_up": True,
            },
            name=plugin.name,
        )
        if not created:
            row.catching_up = row.catching_up or not row.enabled
            row.version, row.declared, row.seen_at, row.enabled = plugin.version, declared, now, True
            await row.save(update_fields=["version", "declared", "seen_at", "enabled", "catching_up"])


async def catch_up(act: Act) -> int:
    """Send the subscribers of plugins switched on since what they never were sent; returns how many events.

    Only to those that want history: what starts something, such as notices, would start it too late. Nothing goes
    twice, however often this is broken off and begun again.
    """
    registry = current().registry
    sent = 0
    for row in await EnabledPlugin.filter(catching_up=True, enabled=True):
        for subscription in registry.subscriptions.values():
            if subscription.historical and registry.owner_of(subscription) == row.name:
                sent += await replay_history(act, subscription.name)
        await EnabledPlugin.filter(id=row.id).update(catching_up=False)
    return sent


def known_applications(registry: Registry, applied: Iterable[str]) -> tuple[tuple[Application, ...], list[str]]:
    """The apps that an upgrade goes over: the enabled ones, and those switched off since whose tables are there.

    Were the latter left out, the core could be changed under tables that refer to it. `applied` are the labels of all
    apps ever migrated. Also gives a sentence for each whose plugin cannot be had any more: its tables stay as they
    are.
    """
    applications = {each.label: each for each in registry.applications}
    left: list[str] = []
    for label in sorted(set(applied) - set(applications)):
        try:
            applications |= {each.label: each for each in installed_applications(label)}
        except ConfigurationError as error:
            reason = "；".join(error.problems)
            left.append(f"插件 {_name(label)} 以前启用过，现在用不了，它的表原样保留，不随这次升级：{reason}")
    return tuple(applications.values()), left


def installed_applications(label: str) -> tuple[Application, ...]:
    """The app `label` of an installed plugin after those it may refer to: of the core and what it depends on.

    Raises `ConfigurationError` where the plugin, or one it depends on, is not installed or does not work with this
    version.
    """
    return Registry(plugins=discovery.load_with_dependencies(_name(label)), configurations={}).applications


def _name(label: str) -> str:
    """The plugin whose app is called `label`; see `Plugin.application`."""
    return label.removeprefix("yetan_")


async def recorded_states() -> Mapping[str, Mapping[str, str]]:
    """The states of every plugin that was ever enabled, by name: label, category, fallback (F21)."""
    found: dict[str, Mapping[str, str]] = {}
    for row in await EnabledPlugin.all():
        found.update(row.declared.get("states", {}))
    return found
