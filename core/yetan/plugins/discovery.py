"""Finding the enabled plugins, and the one order in which everything of theirs comes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

from yetan.errors import ConfigurationError
from yetan.log import log
from yetan.plugins.declarations import Plugin
from yetan.plugins.registry import API_VERSION
from yetan.spelling import nearest

ENTRY_POINT_GROUP = "yetan.plugins"
#: Seconds an import may take before that is told.
SLOW = 10.0

_CLAUSE = re.compile(r"\s*(>=|<=|==|>|<)\s*(\d+(?:\.\d+)*)\s*")
#: How a version may compare with that of a clause.
_ALLOWED = {">=": (0, 1), "<=": (0, -1), "==": (0,), ">": (1,), "<": (-1,)}


def installed() -> Mapping[str, EntryPoint]:
    """Entry points by name. Raises `ConfigurationError` when two distributions claim one name."""
    return index_entry_points(entry_points(group=ENTRY_POINT_GROUP))


def index_entry_points(found: Iterable[EntryPoint]) -> Mapping[str, EntryPoint]:
    """Entry points by name, refusing a name that two distributions claim."""
    by_name: dict[str, EntryPoint] = {}
    problems: list[str] = []
    for point in found:
        earlier = by_name.setdefault(point.name, point)
        if earlier.value != point.value or _distribution(earlier) != _distribution(point):
            problems.append(
                f"plugin {point.name!r} is claimed by {_distribution(earlier)} and by {_distribution(point)}; "
                "uninstall one of them"
            )
    if problems:
        raise ConfigurationError(problems)
    return by_name


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def load(names: Sequence[str], available: Mapping[str, EntryPoint] | None = None) -> tuple[Plugin, ...]:
    """The plugins `names`, in the one order. What is not named is never imported.

    Raises `ConfigurationError` with every plugin that is missing, broken, or lacks what it depends on.
    """
    points = installed() if available is None else available
    problems: list[str] = []
    plugins: list[Plugin] = []
    for name in names:
        if name not in points:
            near = nearest(name, points)
            advice = f"did you mean {near!r}?" if near else "install the package that provides it"
            problems.append(f"plugins: {name!r} is not installed; {advice}")
            continue
        try:
            plugin = _imported(points[name])
        except (Exception, SystemExit) as error:
            problems.append(f"plugin {name!r} ({points[name].value}) failed to import: {error!r}")
            continue
        if not isinstance(plugin, Plugin) or plugin.name != name:
            problems.append(f"plugin {name!r}: {points[name].value} is not a Plugin named {name!r}")
            continue
        if problem := api_mismatch(plugin):
            problems.append(problem)
        plugins.append(plugin)
    ordered = order(plugins, problems)
    if problems:
        raise ConfigurationError(problems)
    return ordered


def _imported(point: EntryPoint) -> object:
    """What an entry point stands for. One whose import does not come to an end is told while it lasts, by its name."""
    timer = Timer(
        SLOW,
        log.warning,
        (
            "插件 %r（%s）导入了 %.0f 秒还没有完。不是机器太忙的话，请停下来，从 yetan.toml 的 plugins 里去掉它，"
            "或者用 yetan serve --safe-mode 启动。",
            point.name,
            point.value,
            SLOW,
        ),
    )
    timer.daemon = True
    timer.start()
    try:
        return point.load()
    finally:
        timer.cancel()


def places(names: Sequence[str]) -> dict[str, str]:
    """The file or folder each plugin's code is imported from, by name, as far as that is known without importing it."""
    points = installed()
    found = {name: _place(points[name]) for name in names if name in points}
    return {name: place for name, place in found.items() if place}


def _place(point: EntryPoint) -> str:
    try:
        package, *inner = point.module.split(".")
        spec = find_spec(package)
    except (AttributeError, ImportError, ValueError):
        return ""  # `load` will say it
    if spec is None:
        return ""
    paths = [Path(each) for each in spec.submodule_search_locations or ()]
    for name in inner:
        below = [path / each for path in paths for each in (name, f"{name}.py") if (path / each).exists()]
        paths = below or paths
    return str(paths[0]) if paths else spec.origin or ""


def load_with_dependencies(name: str, available: Mapping[str, EntryPoint] | None = None) -> tuple[Plugin, ...]:
    """The plugin `name`, the last one, after all that it depends on.

    Raises `ConfigurationError` as `load` does.
    """
    points = installed() if available is None else available
    names = [name]
    for each in names:
        names += [needed for needed in _dependencies(points.get(each)) if needed not in names]
    return load(names, points)


def _dependencies(point: EntryPoint | None) -> tuple[str, ...]:
    try:
        plugin = _imported(point) if point is not None else None
    except (Exception, SystemExit):
        return ()  # `load` will say it
    return plugin.depends_on if isinstance(plugin, Plugin) else ()


def api_mismatch(plugin: Plugin, version: str = API_VERSION) -> str:
    """What to upgrade where `version` of `yetan.api` is outside the range the plugin works with, or ""."""
    about = f"plugin {plugin.name!r} {plugin.version} works with yetan.api {plugin.requires_api}"
    for clause in plugin.requires_api.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            return f"{about}, which cannot be read; write a range such as '>=0.1,<0.2'"
        operator, bound = found.groups()
        compared = _compared(version, bound)
        if compared not in _ALLOWED[operator]:
            too_new = compared > 0 or operator == "<"
            remedy = "a newer version of the plugin" if too_new else "a newer version of yetan"
            return f"{about}, and this is {version}; install {remedy}"
    return ""


def _compared(one: str, other: str) -> int:
    """-1, 0 or 1 as the dotted version `one` is older than, the same as or newer than `other`."""
    first, second = ([int(part) for part in version.split(".")] for version in (one, other))
    length = max(len(first), len(second))
    padded = [part + [0] * (length - len(part)) for part in (first, second)]
    return (padded[0] > padded[1]) - (padded[0] < padded[1])


def order(plugins: Sequence[Plugin], problems: list[str]) -> tuple[Plugin, ...]:
    """The one order: as listed, but each plugin after those it depends on. Adds what is wrong to `problems`."""
    by_name = {plugin.name: plugin for plugin in plugins}
    ordered: list[Plugin] = []
    visiting: list[str] = []

    def place(plugin: Plugin) -> None:
        if plugin in ordered:
            return
        if plugin.name in visiting:
            problems.append(f"plugins depend on each other in a circle: {' -> '.join([*visiting, plugin.name])}")
            return
        visiting.append(plugin.name)
        for needed in plugin.depends_on:
            if needed in by_name:
                place(by_name[needed])
            else:
                problems.append(f"plugin {plugin.name!r} depends on {needed!r}; add it to plugins")
        visiting.remove(plugin.name)
        if plugin not in ordered:
            ordered.append(plugin)

    for plugin in plugins:
        place(plugin)
    return tuple(ordered)
