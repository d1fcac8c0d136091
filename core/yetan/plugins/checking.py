"""How the rules of `yetan.plugins.quality` are examined: the function of each yields what does not hold, and where.

What a rule asks for stands in its own words there.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from tortoise.fields import CASCADE
from tortoise.fields.relational import ForeignKeyFieldInstance

from yetan.db.make_migrations import missing_migrations
from yetan.db.model import Record
from yetan.db.reversal import revert
from yetan.db.upgrade import UpgradeFailed, upgrade
from yetan.i18n import DEFAULT_LOCALE, LOCALES
from yetan.plugins import discovery
from yetan.plugins.declared import declared_by, names_a_person
from yetan.plugins.examined import Examined, Unexamined, configuration_in
from yetan.plugins.messages import catalogues_of, messages_of, misfilled, untranslated
from yetan.records.contributions import contributions

# Bronze


def starts(examined: Examined) -> Iterable[str]:
    return examined.problems


def metadata(examined: Examined) -> Iterator[str]:
    plugin = examined.plugin
    if not plugin.title.strip():
        yield "title 是空的：写人们怎么叫它"
    if not re.fullmatch(r"\d+(\.\d+)+([-.]?(a|b|rc|dev|post)\d+)*", plugin.version):
        yield f"version 是 {plugin.version!r}：写成 0.1.0 这样"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", plugin.name):
        yield f"name 是 {plugin.name!r}：用小写英文字母、数字和下划线"


def requires_api(examined: Examined) -> Iterator[str]:
    asked = examined.plugin.requires_api
    if not re.search(r"(>=?|==)", asked) or not re.search(r"(<=?|==)\s*\d", asked):
        yield f"requires_api 是 {asked!r}：写明从哪一版到哪一版以前，比如 '>=0.1,<0.2'"


def light(examined: Examined) -> Iterator[str]:
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


def names(examined: Examined) -> Iterator[str]:
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


def imports(examined: Examined) -> Iterator[str]:
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


def forbidden(examined: Examined) -> Iterator[str]:
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what}" for line, what in each.dangers())
    for path in sorted((examined.folder / "templates").rglob("*.html")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if re.search(r"\|\s*safe\b", line):
                yield f"{path.relative_to(examined.folder.parent)}:{number}：|safe，人写的字会变成网页的一部分"


def pages(examined: Examined) -> Iterator[str]:
    for page in declared_by(examined.name, examined.registry).get("pages", []):
        if page.public and page.path.startswith(("/desk", "/admin")):
            yield f"{page.name}（{page.path}）是 public，却在只给工作人员的地址下"


def privacy(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        if not model.privacy.person and (column := names_a_person(model)):
            yield f"{model.__name__}.{column} 指着一个人，Privacy 里却没有写 person={column!r}"


def foreign_keys(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        for column in _foreign_key_columns(model):
            if column.on_delete == CASCADE and str(column.model_name).startswith("yetan."):
                yield f"{model.__name__}.{column.model_field_name} 对 {column.model_name} 用了 CASCADE"


def _foreign_key_columns(model: type[Record]) -> list[ForeignKeyFieldInstance[Any]]:
    columns = (model._meta.fields_map[name] for name in sorted(model._meta.fk_fields | model._meta.o2o_fields))
    return [each for each in columns if isinstance(each, ForeignKeyFieldInstance)]


def migrations(examined: Examined) -> Iterator[str]:
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
            configuration = configuration_in(Path(folder))
            asyncio.run(upgrade(configuration, applications, lambda line: None))
            if not asyncio.run(revert(configuration.database_url, applications, application.label)):
                yield f"{plugin.migrations} 里一个迁移也没有"
    except UpgradeFailed as error:
        yield str(error)
    except Exception as error:
        yield f"撤不回去：{type(error).__name__}：{error}"


# Silver


def catalogues(examined: Examined) -> Iterator[str]:
    if not messages_of(examined.plugin, examined.registry):
        return
    if not catalogues_of(examined.plugin):
        yield "一种别的语言也没有：locale/zh_Hant 或 locale/en"
    for locale, missing in untranslated(examined.plugin, examined.registry).items():
        yield from (f"{locale} 里没有：{each}" for each in missing)
    yield from (f"译文里的 {{}} 和原文不一样：{each}" for each in misfilled(examined.plugin))


def tests(examined: Examined) -> Iterator[str]:
    if not any(each.holds_to_contract(examined.name) for each in examined.tests):
        yield f"tests/ 里没有一个 PluginContract 写着 plugin = {examined.name!r}"


def readme(examined: Examined) -> Iterator[str]:
    places = [examined.folder, *([examined.project] if examined.project is not None else [])]
    found = [path for place in places if (path := place / "README.md").is_file()]
    if not found:
        if examined.project is None:
            raise Unexamined("要看项目的文件夹：yetan plugin check 路径")
        yield "没有 README.md"
    elif not any(examined.plugin.title in (text := path.read_text("utf-8")) and "plugins" in text for path in found):
        yield f"{found[0].name} 里没有写“{examined.plugin.title}”，或者没有写在 yetan.toml 的 plugins 里怎么打开"


def licensed(examined: Examined) -> Iterator[str]:
    if examined.project is None:
        raise Unexamined("要看项目的文件夹：yetan plugin check 路径")
    told = tomllib.loads((examined.project / "pyproject.toml").read_text(encoding="utf-8"))
    if "license" not in told.get("project", {}):
        yield "pyproject.toml 的 [project] 里没有 license"


def indexes(examined: Examined) -> Iterator[str]:
    for model in examined.models:
        meta = model._meta
        together: list[Any] = [*meta.unique_together, *(getattr(each, "fields", each) for each in meta.indexes)]
        first = {columns[0] for columns in together if columns}
        for column in _foreign_key_columns(model):
            name = column.model_field_name
            if not (column.index or column.unique or {name, f"{name}_id"} & first):
                yield f"{model.__name__}.{name} 没有索引"


def sensitive(examined: Examined) -> Iterator[str]:
    for page in declared_by(examined.name, examined.registry).get("pages", []):
        if page.public or page.sensitive or "GET" not in page.methods or page.model not in examined.models:
            continue
        if columns := sorted(name for name, tag in page.model.privacy.tags().items() if tag in _ABOUT_PEOPLE):
            yield f"{page.name}（{page.path}）能看到 {'、'.join(columns)}，没有写 sensitive=True"


_ABOUT_PEOPLE = ("personal", "sensitive")


# Gold


def languages(examined: Examined) -> Iterator[str]:
    if messages_of(examined.plugin, examined.registry):
        found = catalogues_of(examined.plugin)
        yield from (f"没有 locale/{each}" for each in LOCALES if each != DEFAULT_LOCALE and each not in found)


def typed(examined: Examined) -> Iterator[str]:
    if not (examined.folder / "py.typed").is_file():
        yield "包里没有 py.typed"
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what} 没有写全类型" for line, what in each.unannotated())


def documented(examined: Examined) -> Iterator[str]:
    for each in examined.sources:
        yield from (f"{each.name}:{line}：{what} 没有说明" for line, what in each.undocumented())


def own_tests(examined: Examined) -> Iterator[str]:
    if not any(each.has_tests() for each in examined.tests):
        yield "除了 PluginContract，没有一个自己的测试"
