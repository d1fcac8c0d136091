"""The pytest kit that plugin authors get: a small town in a throw-away database (`yetan.testing.town`), and the suite
every plugin passes (`yetan.testing.contract`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yetan.testing.contract import PluginContract
    from yetan.testing.town import Browser, StandingClock, Town

__all__ = ["Browser", "PluginContract", "StandingClock", "Town"]


def __getattr__(name: str) -> Any:
    """Looked up when it is asked for: pytest loads this package in every run, also in those that need none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{'contract' if name == 'PluginContract' else 'town'}"), name)
