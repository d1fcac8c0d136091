"""Writing down what was ever enabled, so that states, migrations and tags outlive a plugin's being switched off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from yetan.plugins.checks import models_of
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.registry import Registry


async def record_enabled(registry: Registry, now: datetime) -> None:
    """Bring the record up to the enabled plugins; those no longer listed are marked as off and keep their row."""
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
                if registry.owners.get(state.name) == plugin.name
            },
        }
        row, created = await EnabledPlugin.get_or_create(
            {"version": plugin.version, "declared": declared, "first_enabled_at": now, "seen_at": now},
            name=plugin.name,
        )
        if not created:
            row.version, row.declared, row.seen_at, row.enabled = plugin.version, declared, now, True
            await row.save(update_fields=["version", "declared", "seen_at", "enabled"])


async def recorded_states() -> Mapping[str, Mapping[str, str]]:
    """The states of every plugin that was ever enabled, by name: label, category, fallback (F21)."""
    found: dict[str, Mapping[str, str]] = {}
    for row in await EnabledPlugin.all():
        found.update(row.declared.get("states", {}))
    return found
