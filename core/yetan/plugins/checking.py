"""`yetan plugin check`: how good a plugin is, by rules of three levels, with all that is found at once.

`RULES` is the one table: what each asks for, and what to do. A plugin has the level whose rules, and those of the
levels below, all hold. Bronze: a city can switch it on and off again without harm. Silver: its people are well served
by it. Gold: others can work on it.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from tortoise.fields import CASCADE
from tortoise.fields.relational import ForeignKeyFieldInstance

from yetan.config import City, Configuration
from yetan.db.make_migrations import missing_migrations
from yetan.db.model import Record
from yetan.db.reversal import revert
from yetan.db.upgrade import UpgradeFailed, upgrade
from yetan.errors import ConfigurationError, Refused
from yetan.i18n import DEFAULT_LOCALE, LOCALES
from yetan.plugins import discovery, source
from yetan.plugins.checks import models_of
from yetan.plugins.declarations import Plugin
from yetan.plugins.declared import declared_by, names_a_person
from yetan.plugins.messages import catalogues_of, messages_of, misfilled, untranslated
from yetan.plugins.registry import Registry, build_registry
from yetan.records.contributions import contributions

Level = Literal["bronze", "silver", "gold"]
LEVELS: tuple[Level, ...] = ("bronze", "silver", "gold")


class Unexamined(Exception):  # noqa: N818 - read as "the rule stays unexamined"
    """A rule could not be examined; the message says what it waits for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: which rule, where and what; what to do is the rule's."""

    rule: QualityRule
    text: str


@dataclass(frozen=True, slots=True)
class QualityRule:
    """A rule: what it asks for, what to do where it is not so, and how that is found out."""

    id: str
    level: Level
    asks: str
    remedy: str
    examine: Callable[[Examined], Iterable[str]]


@dataclass(slots=True)
class Report:
    """What was found of one plugin."""

    name: str
    version: str
    title: str
    findings: list[Finding] = field(default_factory=list)
    #: By rule, why it was not examined.
    unexamined: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> Level | None:
        """The highest level all of whose rules hold, with those of the levels below; None where bronze is missed."""
        reached: Level | None = None
        for level in LEVELS:
            if any(self.holds(rule) is not True for rule in RULES if rule.level == level):
                return reached
            reached = level
        return reached

    def holds(self, rule: QualityRule) -> bool | None:
        """Whether a rule holds; None where that was not examined."""
        return None if rule.id in self.unexamined else not any(each.rule is rule for each in self.findings)

    @property
    def ok(self) -> bool:
        """Whether no rule of bronze is broken."""
        return not any(each.rule.level == "bronze" for each in self.findings)


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
            self._registry = build_registry(_configuration(Path()), self._plugins)
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


def examine(target: str) -> list[Report]:
    """Reports on the plugin called `target`, or on all those of the project in the folder `target`.

    Raises `Refused` where there is neither.
    """
    return [_report(each) for each in find(target)]


def _report(examined: Examined) -> Report:
    try:
        plugin = examined.plugin
        report = Report(plugin.name, plugin.version, plugin.title)
    except Unexamined:
        report = Report(examined.name, "", "")
    for rule in RULES:
        try:
            report.findings += [Finding(rule, text) for text in rule.examine(examined)]
        except Unexamined as error:
            report.unexamined[rule.id] = str(error)
    return report


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


def _configuration(folder: Path) -> Configuration:
    """A city's, for looking at declarations: nothing of it is opened but a database in `folder`."""
    return Configuration(
        city=City(name="柳湾市"),
        folder=folder,
        data_dir=folder,
        database_url=f"sqlite://{folder}/yetan.sqlite3",
        secret_key="",
        unit_kinds={},
    )


# Bronze


def _starts(examined: Examined) -> Iterable[str]:
    return examined.problems


def _metadata(examined: Examined) -> Iterator[str]:
    plugin = examined.plugin
    if not plugin.title.strip():
        yield "title 是空的：写人们怎么叫它"
    if not re.fullmatch(r"\d+(\.\d+)+([-.]?(a|b|rc|dev|post)\d+)*", plugin.version):
        yield f"version 是 {plugin.version!r}：写成 0.1.0 这样"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", plugin.name):
        yield f"name 是 {plugin.name!r}：用小写英文字母、数字和下划线"


def _requires_api(examined: Examined) -> Iterator[str]:
    asked = examined.plugin.requires_api
    if not re.search(r"(>=?|==)", asked) or not re.search(r"(<=?|==)\s*\d", asked):
        yield f"requires_api 是 {asked!r}：写明从哪一版到哪一版以前，比如 '>=0.1,<0.2'"


def _light(examined: Examined) -> Iterator[str]:
    plugin, module = examined.plugin, examined.point.value.partition(":")[0]
    package = plugin.package.partition(".")[0]
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import {module}; "
        f"print(*(name for name in sys.modules if name.partition('.')[0] == {package!r}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)  # noqa: S603 - what starts says
    loaded = ran.stdout.split()
    heavy = [each for each in (plugin.models, plugin.hooks, plugin.migrations) if each]
    yield from (f"import {module} 就带出了 {each}" for each in heavy if each in loaded)


def _names(examined: Examined) -> Iterator[str]:
    plugin, registry = examined.plugin, examined.registry
    declared = declared_by(plugin.name, registry)
    kinds = declared.get("record_kinds", [])
    made = {_name(each) for kind in kinds for contributed in contributions(kind).values() for each in contributed}
    steps = {f"issue.{each.name}" for each in declared.get("transitions", [])}
    channels = {f"channel.{each.name}" for each in declared.get("notice_channels", [])}
    for attribute in _PREFIXED:
        for each in declared.get(attribute, []):
            name = _name(each)
            begins = name.partition(".")[0] == plugin.name or name.startswith(f"{plugin.name}_")
            if not begins and name not in made | steps | channels:
                yield f"{type(each).__name__} {name!r} 应当以 {plugin.name}. 开头"
    for model in examined.models:
        table = model._meta.db_table
        if not table.startswith(f"yetan_{plugin.name}_"):
            yield f"{model.__name__} 的表 {table!r} 应当以 yetan_{plugin.name}_ 开头"
    yield from () if "themes" in declared or _is_theme(examined) else _stray_files(examined)


#: What has a name that all plugins share.
_PREFIXED = (
    "permissions",
    "pages",
    "bulk_actions",
    "event_types",
    "subscriptions",
    "jobs",
    "due_kinds",
    "rules",
    "metrics",
    "panels",
    "notice_kinds",
)


def _name(declared: Any) -> str:
    return str(getattr(declared, "name", "") or getattr(declared, "kind", ""))


def _is_theme(examined: Examined) -> bool:
    return any(each.defines("yetan_themes") for each in examined.sources)


def _stray_files(examined: Examined) -> Iterator[str]:
    """Templates and static files outside the plugin's own folder that lie over nothing of the core's."""
    core = Path(str(files("yetan")))
    for layer in ("templates", "static"):
        for path in sorted((examined.folder / layer).rglob("*")):
            below = path.relative_to(examined.folder)
            if path.is_file() and below.parts[1] != examined.name and not (core / below).is_file():
                yield f"{below} 应当放在 {layer}/{examined.name}/ 里：别的插件也可能有这个名字"


def _imports(examined: Examined) -> Iterator[str]:
    own = examined.plugin.package.partition(".")[0]
    others = {
        point.value.partition(":")[0].partition(".")[0]: name
        for name, point in discovery.installed().items()
        if name != examined.name
    }
    others.pop(own, None)
    for each in examined.sources:
        for line, module in each.imports():
            root = module.partition(".")[0]
            if root == "yetan" and module != "yetan.api":
                yield f"{each.name}:{line}：{module}"
            elif root in others and not (others[root] in examined.plugin.depends_on and module == f"{root}.api"):
                yield f"{each.name}:{line}：{module}（插件 {others[root]}）"
    for each in examined.tests if examined.project is not None and not _is_ours(examined.project) else ():
        for line, module in each.imports():
            if module.startswith("yetan.") and module.split(".")[1] not in ("api", "testing"):
                yield f"{each.name}:{line}：{module}"


def _is_ours(project: Path) -> bool:
    """Whether the project is that of the core itself, whose tests look into it."""
    return (project / "core" / "yetan").is_dir()


def _forbidden(examined: Examined) -> Iterator[str]:
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what}" for line, what in each.dangers())
    for path in sorted((examined.folder / "templates").rglob("*.html")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if re.search(r"\|\s*safe\b", line):
                yield f"{path.relative_to(examined.folder.parent)}:{number}：|safe，人写的字会变成网页的一部分"


def _pages(examined: Examined) -> Iterator[str]:
    for page in declared_by(examined.name, examined.registry).get("pages", []):
        if page.public and page.path.startswith(("/desk", "/admin")):
            yield f"{page.name}（{page.path}）是 public，却在只给工作人员的地址下"


def _privacy(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        if not model.privacy.person and (column := names_a_person(model)):
            yield f"{model.__name__}.{column} 指着一个人，Privacy 里却没有写 person={column!r}"


def _foreign_keys(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        for column in _foreign_key_columns(model):
            if column.on_delete == CASCADE and str(column.model_name).startswith("yetan."):
                yield f"{model.__name__}.{column.model_field_name} 对 {column.model_name} 用了 CASCADE"


def _foreign_key_columns(model: type[Record]) -> list[ForeignKeyFieldInstance[Any]]:
    columns = (model._meta.fields_map[name] for name in sorted(model._meta.fk_fields | model._meta.o2o_fields))
    return [each for each in columns if isinstance(each, ForeignKeyFieldInstance)]


def _migrations(examined: Examined) -> Iterator[str]:
    plugin, application = examined.plugin, examined.plugin.application
    if application is None:
        return
    applications = examined.registry.applications
    try:
        lacking = asyncio.run(missing_migrations(applications, application.label))
        for writer in lacking:
            yield from (f"模型里有、迁移里没有：{each.describe()}" for each in writer.operations)
        if lacking:
            return
        with tempfile.TemporaryDirectory() as folder:
            configuration = _configuration(Path(folder))
            asyncio.run(upgrade(configuration, applications, lambda line: None))
            if not asyncio.run(revert(configuration.database_url, applications, application.label)):
                yield f"{plugin.migrations} 里一个迁移也没有"
    except UpgradeFailed as error:
        yield str(error)
    except Exception as error:
        yield f"撤不回去：{type(error).__name__}：{error}"


# Silver


def _catalogues(examined: Examined) -> Iterator[str]:
    if not messages_of(examined.plugin, examined.registry):
        return
    if not catalogues_of(examined.plugin):
        yield "一种别的语言也没有：locale/zh_Hant 或 locale/en"
    for locale, missing in untranslated(examined.plugin, examined.registry).items():
        yield from (f"{locale} 里没有：{each}" for each in missing)
    yield from (f"译文里的 {{}} 和原文不一样：{each}" for each in misfilled(examined.plugin))


def _tests(examined: Examined) -> Iterator[str]:
    if not any(each.holds_to_contract(examined.name) for each in examined.tests):
        yield f"tests/ 里没有一个 PluginContract 写着 plugin = {examined.name!r}"


def _readme(examined: Examined) -> Iterator[str]:
    places = [examined.folder, *([examined.project] if examined.project is not None else [])]
    found = [path for place in places if (path := place / "README.md").is_file()]
    if not found:
        if examined.project is None:
            raise Unexamined("要看项目的文件夹：yetan plugin check 路径")
        yield "没有 README.md"
    elif not any(examined.plugin.title in (text := path.read_text("utf-8")) and "plugins" in text for path in found):
        yield f"{found[0].name} 里没有写“{examined.plugin.title}”，或者没有写在 yetan.toml 的 plugins 里怎么打开"


def _license(examined: Examined) -> Iterator[str]:
    if examined.project is None:
        raise Unexamined("要看项目的文件夹：yetan plugin check 路径")
    told = tomllib.loads((examined.project / "pyproject.toml").read_text(encoding="utf-8"))
    if "license" not in told.get("project", {}):
        yield "pyproject.toml 的 [project] 里没有 license"


def _indexes(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        meta = model._meta
        together: list[Any] = [*meta.unique_together, *(getattr(each, "fields", each) for each in meta.indexes)]
        first = {columns[0] for columns in together if columns}
        for column in _foreign_key_columns(model):
            name = column.model_field_name
            if not (column.index or column.unique or {name, f"{name}_id"} & first):
                yield f"{model.__name__}.{name} 没有索引"


def _sensitive(examined: Examined) -> Iterator[str]:
    for page in declared_by(examined.name, examined.registry).get("pages", []):
        if page.public or page.sensitive or "GET" not in page.methods or page.model not in examined.models:
            continue
        if columns := sorted(name for name, tag in page.model.privacy.tags().items() if tag in _ABOUT_PEOPLE):
            yield f"{page.name}（{page.path}）能看到 {'、'.join(columns)}，没有写 sensitive=True"


_ABOUT_PEOPLE = ("personal", "sensitive")


# Gold


def _languages(examined: Examined) -> Iterator[str]:
    if messages_of(examined.plugin, examined.registry):
        found = catalogues_of(examined.plugin)
        yield from (f"没有 locale/{each}" for each in LOCALES if each != DEFAULT_LOCALE and each not in found)


def _typed(examined: Examined) -> Iterator[str]:
    if not (examined.folder / "py.typed").is_file():
        yield "包里没有 py.typed"
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what} 没有写全类型" for line, what in each.unannotated())


def _documented(examined: Examined) -> Iterator[str]:
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what} 没有说明" for line, what in each.undocumented())


def _own_tests(examined: Examined) -> Iterator[str]:
    if not any(each.has_tests() for each in examined.tests):
        yield "除了 PluginContract，没有一个自己的测试"


RULES: tuple[QualityRule, ...] = (
    QualityRule(
        "starts", "bronze", "装得上，和核心、依赖的插件一起启动得了；每一页有权限，每一列有隐私标签",
        "照启动时说的改。", _starts,
    ),
    QualityRule(
        "metadata", "bronze", "插件对象写全了名字、叫法和版本", "改 Plugin(...) 里的那一项。", _metadata,
    ),
    QualityRule(
        "requires-api", "bronze", "写明和哪几版 yetan.api 相配",
        "在 Plugin(...) 里写 requires_api，有下限也有上限。", _requires_api,
    ),
    QualityRule(
        "light", "bronze", "读插件对象时不带出模型和钩子：列出装了哪些插件也要读它",
        "__init__.py 里只留 Plugin(...)，其余写成带点的模块名。", _light,
    ),
    QualityRule(
        "names", "bronze", "表、权限、页面、事件、模板都以插件的名字开头，和别的插件不会撞上",
        "改名；已经发布过的表用迁移改。", _names,
    ),
    QualityRule(
        "imports", "bronze", "只用 yetan.api；别的插件只用 depends_on 里的、它的 api 模块",
        "换成 yetan.api 里的；没有的，提一个钩子的建议。", _imports,
    ),
    QualityRule(
        "forbidden", "bronze", "没有危险的写法：自己看钟、卡住整个网站、任务放出去不管",
        "见 docs/plugins/dangerous.md，每一种都写着换成什么。", _forbidden,
    ),
    QualityRule("pages", "bronze", "给工作人员的地址下没有公开的页面", "换地址，或者写 permission=。", _pages),
    QualityRule(
        "privacy", "bronze", "写着一个人的每一行，都能随这个人导出和删除",
        "在 Privacy 里写 person= 和 erase=。", _privacy,
    ),
    QualityRule(
        "foreign-keys", "bronze", "对核心的外键用 RESTRICT 或 SET_NULL",
        "写 on_delete=fields.RESTRICT 或 fields.SET_NULL。", _foreign_keys,
    ),
    QualityRule(
        "migrations", "bronze", "迁移和模型一致，上得去也撤得回",
        "python -m yetan.db.make_migrations 名字 --app yetan_插件名", _migrations,
    ),
    QualityRule(
        "catalogues", "silver", "至少有一种别的语言，而且是全的",
        "运行 yetan plugin messages，再给列出的每一句写上译文。", _catalogues,
    ),
    QualityRule(
        "tests", "silver", "测试里跑 PluginContract", "见 yetan.testing.contract：三行就够。", _tests,
    ),
    QualityRule("readme", "silver", "README.md 说它是什么、怎么打开", "写给要用它的那座城市。", _readme),
    QualityRule("license", "silver", "写明许可证", '在 [project] 里写 license = "Apache-2.0" 这样一行。', _license),
    QualityRule("indexes", "silver", "外键都有索引", "写 db_index=True，或者放在 unique_together 的第一个。", _indexes),
    QualityRule(
        "sensitive", "silver", "看得到个人信息的页面，每一次查看都留记录", "在 Page 里写 sensitive=True。", _sensitive,
    ),
    QualityRule("languages", "gold", "每一种语言都有", "补上 locale/ 里没有的语言。", _languages),
    QualityRule("typed", "gold", "类型写全了", "加 py.typed，给列出的函数写上类型。", _typed),
    QualityRule(
        "documented", "gold", "每个公开的函数和类都有一句说明", "写一句 docstring，说它是什么。", _documented,
    ),
    QualityRule(
        "own-tests", "gold", "自己的做法有自己的测试", "见 yetan.testing 的 city、client、make_issue。", _own_tests,
    ),
)  # fmt: skip
