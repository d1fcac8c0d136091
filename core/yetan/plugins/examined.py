"""A plugin that is examined, installed or in its project's folder: what its rules of quality look at."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path

from yetan.config import City, Configuration
from yetan.db.model import Record
from yetan.errors import ConfigurationError, Refused
from yetan.plugins import discovery, source
from yetan.plugins.checks import models_of
from yetan.plugins.declarations import Plugin
from yetan.plugins.registry import Registry, build_registry


class Unexamined(Exception):  # noqa: N818 - read as "the rule stays unexamined"
    """A rule could not be examined; the message says what it waits for."""


class Examined:
    """A plugin with what has to be known of it. `project` is the folder of its pyproject.toml, where that is there."""

    def __init__(self, point: EntryPoint, project: Path | None) -> None:
        self.name = point.name
        self.point = point
        self.project = project
        available = {**discovery.installed(), point.name: point}
        self.problems: list[str] = []
        self._plugins: tuple[Plugin, ...] = ()
        try:
            self._plugins = discovery.load_with_dependencies(point.name, available)
        except ConfigurationError as error:
            self.problems = error.problems
            return
        self._registry: Registry | None = None
        try:
            self._registry = build_registry(configuration_in(Path()), self._plugins)
        except ConfigurationError as error:
            self.problems = error.problems

    @property
    def plugin(self) -> Plugin:
        """The plugin object. Raises `Unexamined` where it cannot be had."""
        if not self._plugins:
            raise Unexamined("先让插件装得上（starts）")
        return self._plugins[-1]

    @property
    def registry(self) -> Registry:
        """What it declares, beside the core and what it depends on. Raises `Unexamined` where that does not fit."""
        if not self.problems and self._registry is not None:
            return self._registry
        raise Unexamined("先让插件启动得了（starts）")

    @cached_property
    def folder(self) -> Path:
        """The folder of its package."""
        return Path(str(files(self.plugin.package)))

    @cached_property
    def sources(self) -> Sequence[source.Source]:
        """Its own modules, without migrations and tests."""
        paths = (each for each in sorted(self.folder.rglob("*.py")) if not {"migrations", "tests"} & set(each.parts))
        return [source.Source(path, str(path.relative_to(self.folder.parent))) for path in paths]

    @cached_property
    def tests(self) -> Sequence[source.Source]:
        """The modules of its tests. Raises `Unexamined` without the project's folder."""
        if self.project is None:
            raise Unexamined("要看项目的文件夹：yetan plugin check 路径")
        paths = sorted((self.project / "tests").rglob("*.py"))
        return [source.Source(path, str(path.relative_to(self.project))) for path in paths]

    @property
    def models(self) -> Sequence[type[Record]]:
        """Its models. Raises `Unexamined` where they cannot be had."""
        application = self.plugin.application
        return models_of(application) if application is not None and self.registry else []


def find(target: str) -> Iterator[Examined]:
    """The plugins `examine` reports on. Raises `Refused` as it does."""
    project = Path(target).resolve()
    if (project / "pyproject.toml").is_file():
        declared = _entry_points(project)
        if not declared:
            raise Refused(f'{project}/pyproject.toml 里没有 [project.entry-points."yetan.plugins"]，不知道插件在哪里。')
        sys.path[:0] = [str(folder) for folder in (project, project / "src") if str(folder) not in sys.path]
        for name, value in declared.items():
            yield Examined(EntryPoint(name, value, discovery.ENTRY_POINT_GROUP), project)
        return
    point = discovery.installed().get(target)
    if point is None:
        raise Refused(f"没有名叫“{target}”的插件，也没有这样一个带 pyproject.toml 的文件夹。请核对名字或路径。")
    examined = Examined(point, None)
    with suppress(StopIteration, Unexamined):
        examined.project = next(each for each in examined.folder.parents if target in _entry_points(each))
    yield examined


def _entry_points(project: Path) -> dict[str, str]:
    """The plugins that a project's pyproject.toml names, with what each loads."""
    try:
        told = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{project}/pyproject.toml 读不了：{error}") from error
    points: dict[str, str] = told.get("project", {}).get("entry-points", {}).get(discovery.ENTRY_POINT_GROUP, {})
    return points


def configuration_in(folder: Path) -> Configuration:
    """A city's, for looking at declarations: nothing of it is opened but a database in `folder`."""
    return Configuration(
        city=City(name="柳湾市"),
        folder=folder,
        data_dir=folder,
        database_url=f"sqlite://{folder}/yetan.sqlite3",
        secret_key="",
        unit_kinds={},
    )
