"""The layers a city's look is laid from: deployment, theme, plugins in order, core. The upper one wins everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from yetan.config import Configuration
from yetan.plugins.declarations import Plugin
from yetan.plugins.registry import Registry


class Layer(Struct, frozen=True):
    """A folder that may hold `templates`, `static` and `locale`. `name` is its prefix in template names, or "".

    `plugin` is whose it is: "" for the core's and the deployment's.
    """

    name: str
    folder: Path
    plugin: str = ""


def layers(configuration: Configuration, registry: Registry) -> tuple[Layer, ...]:
    """All layers, the uppermost first."""
    theme = registry.theme
    return (
        Layer("", configuration.folder),
        *([Layer("", _package_folder(theme.package), registry.owner_of(theme))] if theme is not None else []),
        *(Layer(each.name, _package_folder(each.package), each.name) for each in registry.plugins),
        Layer("core", _package_folder("yetan")),
    )


def plugin_folders(plugins: Iterable[Plugin]) -> dict[str, str]:
    """Where the code of each plugin lies, by its name."""
    return {plugin.name: str(_package_folder(plugin.package)) for plugin in plugins}


def _package_folder(package: str) -> Path:
    return Path(str(files(package)))
