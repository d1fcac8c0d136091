"""Plugins that do what plugins should not, each in one way, for tests of the guard around them.

Each module has its `plugin` and its hooks. `ENTRY_POINTS` are what an installed distribution of theirs would register;
none of them is imported before a city switches it on.
"""

from importlib.metadata import EntryPoint

from yetan.api import Plugin

#: What the module of each is called, without the package.
FAULTS = (
    "importing",
    "hanging_import",
    "starting",
    "loader",
    "subscriber",
    "guard",
    "template",
    "migration",
    "hanging_async",
    "hanging_sync",
    "leaking",
    "taken_name",
    "taken_route",
    "writing",
)
ENTRY_POINTS = {
    f"faulty_{fault}": EntryPoint(f"faulty_{fault}", f"{__name__}.{fault}:plugin", "yetan.plugins") for fault in FAULTS
}


def faulty(module: str, *, package: str = __name__, **about: str) -> Plugin:
    """The plugin that `module` is."""
    name = f"faulty_{module.rpartition('.')[2]}"
    return Plugin(name=name, title=name, version="1.0", package=package, hooks=module, **about)  # type: ignore[arg-type]
