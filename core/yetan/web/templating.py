"""Templates: where they come from, and what every one of them may use."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from yetan.access.scope import holds
from yetan.act import ANONYMOUS, Act, Actor
from yetan.compiled import CompiledFiles
from yetan.config import City, Configuration
from yetan.i18n import LOCALES, current_locale, in_form, language_tag, month_name, translate, translate_count
from yetan.layers import Layer, layers
from yetan.plain_words import plain_words
from yetan.plugins.guarding import Conduct
from yetan.plugins.registry import Registry
from yetan.web.addresses import Addresses
from yetan.web.bodies import Body
from yetan.web.compiled import CompiledTemplates
from yetan.web.fragments import KeptParts, pages_of
from yetan.web.static import StaticFiles

if TYPE_CHECKING:
    from yetan.web.request import Request

#: How a day or moment is written, by language; the Chinese ones serve both scripts.
_FORMATS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "date": "{at.month}月{at.day}日",
        "datetime": "{at.month}月{at.day}日 {at:%H:%M}",
        "full_date": "{at.year}年{at.month}月{at.day}日",
        "weekday": "星期{weekday}",
        "time": "{at:%H:%M}",
    },
    "en": {
        "date": "{at.day} {month}",
        "datetime": "{at.day} {month} {at:%H:%M}",
        "full_date": "{at.day} {month} {at.year}",
        "weekday": "{weekday}",
        "time": "{at:%H:%M}",
    },
}
_WEEKDAYS: Mapping[str, Sequence[str]] = {
    "zh": "一二三四五六日",
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_ENGLISH_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Days, moments and numbers whose words are remembered: writing one anew costs as much as a row of a list.
_WRITTEN = 4096

Area = Literal["public", "desk", "admin"]

#: Whose page is being drawn: what macros need to know of it, so that they are compiled and made ready once.
_drawn_for: ContextVar[Request] = ContextVar("yetan_drawn_for")


class _Environment(Environment):
    """Every template has the same globals, copied for each drawing: a plain mapping is copied ten times as fast."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return {**self.globals, **(d or {})}


class Look(Struct, frozen=True):
    """What the frame of a page takes from the theme's `theme.toml`; paths are under `static/`."""

    stylesheets: tuple[str, ...] = ("plain.css",)
    icon: str = "plain.svg"
    skins: tuple[str, ...] = ("",)


class CityView(Struct, frozen=True):
    """What every page says about the city and who answers for the site."""

    name: str
    site_name: str
    hotline: str
    editor: str
    error_report: str
    #: The site's own address, without a slash at its end.
    address: str
    #: (label, value, link or None)
    footer: tuple[tuple[str, str, str | None], ...]

    def error_report_on(self, subject: str) -> str:
        """Where an error on the page of `subject` is reported; a mail says so in its subject already (004-20)."""
        if not self.error_report.startswith("mailto:"):
            return self.error_report
        joint = "&" if "?" in self.error_report else "?"
        return f"{self.error_report}{joint}subject={quote(translate('纠错：{subject}', subject=subject))}"


class Place(Struct, frozen=True):
    """A place in a menu."""

    label: str
    href: str
    current: bool

    def __hash__(self) -> int:
        return hash(self.href)


class Frame(Struct, frozen=True):
    """What every template of a page is given, for the act it was made for, and where the templates come from."""

    act: Act
    environment: Environment
    given: Mapping[str, Any]


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
        self._template = lru_cache(maxsize=512)(Environment.get_template)
        # What does not change while the site runs, for each who may see something else of it.
        self._led_to = frozenset(self.addresses.path(item.route) for item in registry.navigation)
        self._places = lru_cache(maxsize=512)(self._menu)
        self._city = lru_cache(maxsize=len(LOCALES))(lambda locale: city_view(configuration))
        self._plain_words = lru_cache(maxsize=len(LOCALES))(lambda locale: plain_words())

    @property
    def environment(self) -> Environment:
        """The templates of all layers."""
        return self._environment(frozenset())

    def render(self, name: str, request: Request, context: Mapping[str, Any]) -> str:
        """The page `name` for this request, with what every template may use.

        Where a plugin's or theme's template fails that lies over another one, the page is drawn with that one (F28).
        """
        request.has_typed_form = False
        try:
            return self.fragment(name, request, context)
        except Exception as error:
            conduct = self._conduct_behind(error)
            if conduct is None:
                raise
            request.has_typed_form = False
            try:
                drawn = self._draw(self._frame(request, self._paused() | {conduct.plugin}), name, request, context)
            except Exception:
                raise error from None
            conduct.failed(f"template {name}", error)
            return drawn
        finally:
            request.has_typed_form = None

    def render_kept(
        self, name: str, request: Request, content: Hashable, context: Callable[[], Mapping[str, Any]]
    ) -> Body:
        """The page `name` for nobody in particular, drawn once for its content, the reader's display and the day.

        `content` is all that `context()` says, to be compared. Whoever is signed in has it drawn for themself.
        """
        if request.act.actor != ANONYMOUS:
            return Body(self.render(name, request, context()).encode())
        path, today = request.scope["path"], request.act.now.astimezone(self.configuration.city.zone).date()
        key = (name, request.display, path if path in self._led_to else "", today, content)
        pages = pages_of(self._environment(self._paused()))
        page = pages.find(key)
        if page is None:
            page = Body(self.render(name, request, context()).encode())
            pages.keep(key, page)
        return page

    def fragment(self, name: str, request: Request, context: Mapping[str, Any]) -> str:
        """The template `name` for this request, by itself: where it fails, that is for whoever asked."""
        if request.frame is None or request.frame.act is not request.act:
            # Once for a page and all its panels.
            request.frame = self._frame(request, self._paused())
        return self._draw(request.frame, name, request, context)

    def _draw(self, frame: Frame, name: str, request: Request, context: Mapping[str, Any]) -> str:
        """As Jinja's own `render`, which puts what every template is given together anew each time."""
        token = _drawn_for.set(request)
        try:
            template = self._template(frame.environment, name)
            environment = frame.environment
            drawing = environment.context_class(environment, {**frame.given, **context}, name, template.blocks)
            try:
                return environment.concat(template.root_render_func(drawing))
            except Exception:
                environment.handle_exception()
        finally:
            _drawn_for.reset(token)

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
        environment = _Environment(
            loader=ChoiceLoader([*loaders.values(), PrefixLoader(named, delimiter=":")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=False,
            extensions=["jinja2.ext.i18n", KeptParts],
            auto_reload=False,
            bytecode_cache=CompiledTemplates(CompiledFiles(self.configuration.data_dir / "compiled")),
        )
        install: Any = environment
        install.install_gettext_callables(translate, translate_count, newstyle=True)
        environment.globals.update(
            _=translate,
            gettext=_said,
            url=self.addresses.path,
            static=self.static.address,
            theme=self.look,
            csrf_field=_csrf_field,
            key_field=_key_field,
            typed_form=_typed_form,
            form_to_keep=_form_to_keep,
            plain_words_of=self._plain_words_of,
            data_language=self._data_language,
            this_year=self._this_year,
            languages=tuple((language_tag(each), LOCALES[each]) for each in self.configuration.city.locales),
        )
        environment.filters.update(_filters(self.configuration.city))
        return environment

    def _frame(self, request: Request, without: frozenset[str]) -> Frame:
        act = request.act
        locale, path = current_locale(), request.scope["path"]
        here = path if path in self._led_to else ""
        environment = self._environment(without)
        given = {
            **environment.globals,
            "actor": act.actor,
            "city": self._city(locale),
            "display": request.display,
            "left_out": self.configuration.left_out,
            "now": act.now.astimezone(self.configuration.city.zone),
            "navigation": self._places("public", act.actor, locale, here),
            "desk_navigation": self._places("desk", act.actor, locale, here),
            "admin_navigation": self._places("admin", act.actor, locale, here),
        }
        return Frame(act, environment, given)

    def _menu(self, area: Area, actor: Actor, locale: str, here: str) -> tuple[Place, ...]:
        """The places of a menu that the actor may enter; that at the path `here` is marked."""
        items = [item for item in self.registry.navigation if item.area == area and holds(actor, item.permission)]
        hrefs = [self.addresses.path(item.route) for item in items]
        return tuple(
            Place(translate(item.label, count=2), href, href == here) for item, href in zip(items, hrefs, strict=True)
        )

    def _plain_words_of(self, term: str) -> str | None:
        """What a term, in the reader's language, means in words of every day; None for one that is plain."""
        return self._plain_words(current_locale()).get(term)

    def _data_language(self) -> Markup:
        """In the tag around what people of the city wrote: its language, for readers in another one."""
        own = self.configuration.city.locale
        return Markup() if current_locale() == own else Markup(' lang="{}"').format(language_tag(own))

    def _this_year(self) -> int:
        return _drawn_for.get().act.now.astimezone(self.configuration.city.zone).year


def _said(message: str, /, **values: object) -> Markup:
    """What `{% trans %}` says: in the form for its `count`, with its values escaped."""
    return Markup(in_form(message, values.get("count"))) % values


def _csrf_field() -> Markup:
    token = _drawn_for.get().csrf_token
    return _hidden("_token", token) if token else Markup()


def _key_field() -> Markup:
    return _hidden("_key", _drawn_for.get().new_key())


def _typed_form() -> Markup:
    """The id of a form whose entries are kept while the look is changed: that of the first one on a page."""
    request = _drawn_for.get()
    if request.has_typed_form is not False:
        return Markup()
    request.has_typed_form = True
    return Markup(' id="typed"')


def _form_to_keep(content: str) -> str:
    """The id of the form that the switches of the look take along: of the page's own, else of what narrows its list."""
    if _drawn_for.get().has_typed_form:
        return "typed"
    return "narrowing" if 'id="narrowing"' in content else ""


def _hidden(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)


def _look(registry: Registry) -> Look:
    if registry.theme is None:
        return Look()
    from importlib.resources import files

    told = tomllib.loads((files(registry.theme.package) / "theme.toml").read_text(encoding="utf-8"))
    return Look(tuple(told["stylesheets"]), told["icon"], tuple(told.get("skins", ("",))))


def city_view(configuration: Configuration) -> CityView:
    """What every page says about the city, in the language of the request."""
    city = configuration.city
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
        error_report=_link_to(city.error_report),
        address=configuration.base_url,
        footer=tuple(line for line in lines if line[1]),
    )


def _link_to(contact: str) -> str:
    """A bare mail address as the link that writes to it; a link stays as it is."""
    return f"mailto:{contact}" if "@" in contact and ":" not in contact else contact


def _number(value: int | float) -> str:
    """Grouped by thousands, with three decimal places at most; alike in all languages there are."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def _filters(city: City) -> dict[str, Callable[[Any], str]]:
    """Days and moments in the city's time zone, by the names in `_FORMATS`; number grouped by thousands."""

    @lru_cache(maxsize=_WRITTEN)
    def moment(value: date | datetime, name: str, locale: str) -> str:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"A moment needs a time zone, and {value!r} has none.")
            value = value.astimezone(city.zone)
        language = locale.partition("_")[0]
        weekday, month = _WEEKDAYS[language][value.weekday()], _ENGLISH_MONTHS[value.month - 1]
        return _FORMATS[language][name].format(at=value, month=month, weekday=weekday)

    def named(name: str) -> Callable[[date | datetime], str]:
        return lambda value: moment(value, name, current_locale())

    return {**{name: named(name) for name in _FORMATS["zh"]}, "month_name": month_name, "number": _number}
