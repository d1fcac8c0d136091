"""Languages. Message ids are the Simplified Chinese sentences themselves; other languages come from .po files.

The catalogues are read at start, from `locale/<locale>/LC_MESSAGES/messages.po` of the core, the plugins, the theme and
the deployment; later ones win, so a city may also override a label of its own language.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import NullTranslations, Translations

from yetan.errors import ConfigurationError

#: Every locale there may be, with its name in itself.
LOCALES: Mapping[str, str] = {"zh_Hans": "简体中文", "zh_Hant": "繁體中文", "en": "English"}
DEFAULT_LOCALE = "zh_Hans"

_locale: ContextVar[str] = ContextVar("yetan_locale", default=DEFAULT_LOCALE)
_catalogues: dict[str, NullTranslations] = {}


def language_tag(locale: str) -> str:
    """The locale as HTML and HTTP write it: zh-Hans."""
    return locale.replace("_", "-")


def locale_named(text: str) -> str | None:
    """The locale `text` names, in either spelling, or None."""
    name = text.replace("-", "_")
    return name if name in LOCALES else None


def current_locale() -> str:
    """The locale of the running request; the default one outside."""
    return _locale.get()


def use_locale(locale: str) -> None:
    """Speak `locale` in the running request."""
    assert locale in LOCALES, f"{locale!r} is not one of {', '.join(LOCALES)}."
    _locale.set(locale)


def load_catalogues(folders: Iterable[Path]) -> None:
    """Read the catalogues of `folders`, later ones winning.

    Raises `ConfigurationError` naming each file that is not a valid catalogue.
    """
    problems: list[str] = []
    found: dict[str, NullTranslations] = {}
    for folder in folders:
        for locale in LOCALES:
            path = folder / locale / "LC_MESSAGES" / "messages.po"
            if not path.is_file():
                continue
            try:
                translations = _read(path, locale)
            except (PoFileError, ValueError, OSError) as error:
                problems.append(f"{path}: is not a valid catalogue: {error}")
                continue
            merged = found.setdefault(locale, translations)
            if isinstance(merged, Translations) and merged is not translations:
                merged.merge(translations)
    if problems:
        raise ConfigurationError(problems)
    _catalogues.clear()
    _catalogues.update(found)


def _read(path: Path, locale: str) -> Translations:
    with path.open("rb") as stream:
        catalogue = read_po(stream, locale=locale, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def translate(message: str) -> str:
    """`message`, a Simplified Chinese sentence, in the running request's language, or itself if untranslated."""
    catalogue = _catalogues.get(_locale.get())
    return str(catalogue.gettext(message)) if catalogue is not None and message else message


def translate_count(singular: str, plural: str, count: int) -> str:
    """The form for `count`, for languages that have several; Chinese has one."""
    catalogue = _catalogues.get(_locale.get())
    return str(catalogue.ngettext(singular, plural, count)) if catalogue is not None else singular


#: What code marks its messages with.
_ = translate
