"""How a reader wants the pages to look: one cookie, read on every page, holding nothing about the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from yetan.config import City
from yetan.i18n import DEFAULT_LOCALE, language_tag, locale_named

LIGHTS = ("day", "night", "contrast", "auto")
SIZES = ("standard", "large", "largest")


class Display(NamedTuple):
    """Elder mode, light, the theme's skin, locale and letter size. "" is the theme's own."""

    elder: bool = False
    light: str = ""
    skin: str = ""
    locale_name: str = DEFAULT_LOCALE
    size: str = ""

    @property
    def locale(self) -> str:
        """The language tag for HTML: zh-Hans."""
        return language_tag(self.locale_name)

    def with_choices(self, choices: Mapping[str, str], skins: Sequence[str], locales: Sequence[str]) -> Display:
        """This display with what `choices` says, as far as there is such a choice."""
        display = self
        if choices.get("elder") in ("0", "1"):
            display = display._replace(elder=choices["elder"] == "1")
        if choices.get("light") in LIGHTS:
            display = display._replace(light=choices["light"])
        if choices.get("skin") in skins:
            display = display._replace(skin=choices["skin"])
        if choices.get("size") in SIZES:
            display = display._replace(size=choices["size"] if choices["size"] != "standard" else "")
        locale = locale_named(choices.get("locale", ""))
        if locale is not None and locale in locales:
            display = display._replace(locale_name=locale)
        return display

    def cookie(self) -> str:
        """The value the cookie carries."""
        chosen = {"light": self.light, "skin": self.skin, "locale": self.locale_name, "size": self.size}
        return urlencode({"elder": int(self.elder), **{name: value for name, value in chosen.items() if value}})


def read_display(cookie: str, city: City, skins: Sequence[str]) -> Display:
    """The display a cookie asks for; whatever it holds that nobody offers is passed over."""
    return Display(locale_name=city.locale).with_choices(dict(parse_qsl(cookie[:200])), skins, city.locales)
