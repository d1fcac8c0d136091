"""A plugin whose functions fail when they are told to, each by itself, to see what that costs everybody else."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from yetan.fields import changed, field_names
from yetan.plugins.declarations import Plugin


class Broken(Exception):  # noqa: N818 - read as "the function is broken"
    """What a function raises that was told to fail."""


class BreakablePlugin:
    """A plugin as it is, but for each function it declares: that fails while its name is among `broken`.

    `names` are those functions, as in "yetan_panels clinics.open load"; `failed` those that were called and failed.
    """

    def __init__(self, plugin: Plugin) -> None:
        self.names: list[str] = []
        self.broken: Collection[str] = ()
        self.failed: set[str] = set()
        module = ModuleType(f"{plugin.hooks}.breakable")
        for hook, implementation in vars(import_module(plugin.hooks)).items():
            if hasattr(implementation, "yetan_impl"):
                setattr(module, hook, self._breakable_hook(hook, implementation))
        sys.modules[module.__name__] = module
        self.plugin = replace(plugin, hooks=module.__name__)

    def _breakable_hook(self, hook: str, implementation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(implementation)
        def contributed(*arguments: Any) -> Any:
            answer = implementation(*arguments)
            return [self._breakable(hook, each) for each in answer] if isinstance(answer, (list, tuple)) else answer

        return contributed

    def _breakable(self, hook: str, declared: Any) -> Any:
        names = field_names(type(declared))
        if not names:
            return declared
        name = next((str(found) for key in ("name", "kind") if (found := getattr(declared, key, ""))), "")
        functions = {
            field: self._breakable_function(f"{hook} {name} {field}", function)
            for field in names
            if callable(function := getattr(declared, field)) and not isinstance(function, type)
        }
        return changed(declared, **functions)

    def _breakable_function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.names.append(name)

        def fail_if_told() -> None:
            if name in self.broken:
                self.failed.add(name)
                raise Broken(name)

        @wraps(function)
        def breakable(*arguments: Any, **named: Any) -> Any:
            fail_if_told()
            return function(*arguments, **named)

        @wraps(function)
        async def breakable_async(*arguments: Any, **named: Any) -> Any:
            fail_if_told()
            return await function(*arguments, **named)

        return breakable_async if inspect.iscoroutinefunction(function) else breakable
