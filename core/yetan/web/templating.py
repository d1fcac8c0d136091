"""Templates: where they come from, and what every one of them may use."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Literal

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import BytecodeCache, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from yetan.access.scope import holds
from yetan.config import City, Configuration
from yetan.i18n import current_locale, translate, translate_count
from yetan.layers import Layer, layers
from yetan.plugins.declarations import NavigationItem
from yetan.plugins.guarding import Conduct
from yetan.plugins.registry import Registry
from yetan.web.addresses import Addresses
from yetan.web.static import StaticFiles

if TYPE_CHECKING:
    from yetan.web.request import Request

#: Date formats by language; Chinese ones serve both scripts.
_FORMATS: Mapping[str, Mapping[str, str]] = {
    "zh": {"date": "M月d日", "datetime": "M月d日 HH:mm", "full_date": "y年M月d日"},
    "en": {"date": "d MMM", "datetime": "d MMM HH:mm", "full_date": "d MMM y"},
}


class _Compiled(BytecodeCache):
    """What this process has compiled, so that the next application in it (tests open thousands) need not."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            # Jinja compares checksums: a template that has changed since is compiled again.
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


@dataclass(frozen=True, slots=True)
class Look:
    """What the frame of a page takes from the theme's `theme.toml`; paths are under `static/`."""

    stylesheet: str = "plain.css"
    icon: str = "plain.svg"
    skins: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class CityView:
    """What every page says about the city and who answers for the site."""

    name: str
    site_name: str
    hotline: str
    editor: str
    error_report: str
    #: (label, value, link or None)
    footer: tuple[tuple[str, str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a menu."""

    label: str
    href: str
    current: bool


class Templating:
    """Templates, static files and addresses of one city."""

    def __init__(self, configuration: Configuration, registry: Registry) -> None:
        self.configuration = configuration
        self.registry = registry
        self.layers = layers(configuration, registry)
        self.static = StaticFiles(layer.folder / "static" for layer in self.layers)
        self.addresses = Addresses(registry.pages)
        self.look = _look(registry)
        self._environments: dict[frozenset[str], Environment] = {}

    @property
    def environment(self) -> Environment:
        """The templates of all layers."""
        return self._environment(frozenset())

    def render(self, name: str, request: Request, context: Mapping[str, Any]) -> str:
        """The page `name` for this request, with what every template may use.

        Where a plugin's or theme's template fails that lies over another one, the page is drawn with that one (F28).
        """
        try:
            return self.fragment(name, request, context)
        except Exception as error:
            conduct = self._conduct_behind(error)
            if conduct is None:
                raise
            try:
                drawn = self._draw(self._paused() | {conduct.plugin}, name, request, context)
            except Exception:
                raise error from None
            conduct.failed(f"template {name}", error)
            return drawn

    def fragment(self, name: str, request: Request, context: Mapping[str, Any]) -> str:
        """The template `name` for this request, by itself: where it fails, that is for whoever asked."""
        return self._draw(self._paused(), name, request, context)

    def _draw(self, without: frozenset[str], name: str, request: Request, context: Mapping[str, Any]) -> str:
        return self._environment(without).get_template(name).render({**self._frame(request), **context})

    def _paused(self) -> frozenset[str]:
        """The plugins whose templates are not used: those in quarantine."""
        return frozenset(each.plugin for each in self.registry.conducts.values() if each.paused)

    def _conduct_behind(self, error: BaseException) -> Conduct | None:
        """The conduct of the plugin in whose template something failed: that of the innermost one."""
        found = None
        folders = {str(layer.folder / "templates"): layer.plugin for layer in self.layers if layer.plugin}
        for frame, _ in walk_tb(error.__traceback__):
            folder = frame.f_code.co_filename
            found = next((plugin for start, plugin in folders.items() if folder.startswith(start)), found)
        return self.registry.conducts.get(found or "")

    def which(self, name: str) -> list[Path]:
        """Every file that bears the template name `name`, the one that is used first."""
        candidates = [layer.folder / "templates" / name for layer in self.layers]
        return [path for path in candidates if path.is_file()]

    def _environment(self, without: frozenset[str]) -> Environment:
        """The templates of all layers but those of some plugins."""
        if without not in self._environments:
            self._environments[without] = self._made([layer for layer in self.layers if layer.plugin not in without])
        return self._environments[without]

    def _made(self, layers: Sequence[Layer]) -> Environment:
        loaders = {layer: FileSystemLoader(layer.folder / "templates") for layer in layers}
        named = {layer.name: loader for layer, loader in loaders.items() if layer.name}
        environment = Environment(
            loader=ChoiceLoader([*loaders.values(), PrefixLoader(named, delimiter=":")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=False,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
            bytecode_cache=_COMPILED,
        )
        install: Any = environment
        install.install_gettext_callables(translate, translate_count, newstyle=True)
        environment.globals.update(
            _=translate,
            url=self.addresses.path,
            static=self.static.address,
            theme=self.look,
        )
        environment.filters.update(_filters(self.configuration.city))
        return environment

    def _frame(self, request: Request) -> dict[str, Any]:
        act = request.act
        return {
            "actor": act.actor,
            "city": _city_view(self.configuration.city),
            "csrf_field": lambda: _hidden("_token", request.csrf_token) if request.csrf_token else Markup(),
            "key_field": lambda: _hidden("_key", request.new_key()),
            "display": request.display,
            "left_out": self.configuration.left_out,
            "now": act.now.astimezone(self.configuration.city.zone),
            "navigation": self._places("public", request),
            "desk_navigation": self._places("desk", request),
            "admin_navigation": self._places("admin", request),
        }

    def _places(self, area: Literal["public", "desk", "admin"], request: Request) -> list[Place]:
        return [
            self._place(item, request.url.path)
            for item in self.registry.navigation
            if item.area == area and holds(request.act.actor, item.permission)
        ]

    def _place(self, item: NavigationItem, path: str) -> Place:
        href = self.addresses.path(item.route)
        return Place(translate(item.label), href, path == href)


def _hidden(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)


def _look(registry: Registry) -> Look:
    if registry.theme is None:
        return Look()
    from importlib.resources import files

    told = tomllib.loads((files(registry.theme.package) / "theme.toml").read_text(encoding="utf-8"))
    return replace(Look(), stylesheet=told["stylesheet"], icon=told["icon"], skins=tuple(told.get("skins", ("",))))


def _city_view(city: City) -> CityView:
    lines = (
        (translate("主办单位"), city.organiser, None),
        (translate("承办单位"), city.operator, None),
        (translate("网站标识码"), city.site_code, None),
        ("", city.icp, "https://beian.miit.gov.cn/"),
        ("", city.police_record, "https://beian.mps.gov.cn/"),
    )
    return CityView(
        name=city.name,
        site_name=translate(city.site_name),
        hotline=city.hotline,
        editor=city.editor,
        error_report=city.error_report,
        footer=tuple(line for line in lines if line[1]),
    )


def _filters(city: City) -> dict[str, Callable[[Any], str]]:
    """date, datetime, full_date in the city's time zone; number grouped by thousands."""

    def moment(name: str) -> Callable[[date | datetime], str]:
        def written(value: date | datetime) -> str:
            locale = current_locale()
            pattern = _FORMATS[locale.partition("_")[0]][name]
            if isinstance(value, datetime):
                if value.tzinfo is None:
                    raise ValueError(f"A moment needs a time zone, and {value!r} has none.")
                return format_datetime(value, pattern, tzinfo=city.zone, locale=locale)
            return format_date(value, pattern, locale=locale)

        return written

    def number(value: int | float) -> str:
        return format_decimal(value, locale=current_locale())

    return {**{name: moment(name) for name in _FORMATS["zh"]}, "number": number}
