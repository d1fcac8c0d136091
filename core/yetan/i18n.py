"""Languages. Message ids are the Simplified Chinese sentences themselves; other languages come from .po files.

The catalogues are read at start, from `locale/<locale>/LC_MESSAGES/messages.po` of the core, the plugins, the theme and
the deployment; later ones win, so a city may also override a label of its own language. `python -m yetan.messages` and
`yetan plugin messages` keep them.

Values stand in a message as {name}. The one called `count` chooses among the forms a language has for numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import NullTranslations, Translations

#: Every locale there may be, with its name in itself.
LOCALES: Mapping[str, str] = {"zh_Hans": "简体中文", "zh_Hant": "繁體中文", "en": "English"}
DEFAULT_LOCALE = "zh_Hans"

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
M = TypeVar("M")

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
    # Errors are said in the reader's language, by this module: it is there before them.
    from yetan.errors import ConfigurationError

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


def translate(message: str, /, **values: object) -> str:
    """`message`, a Simplified Chinese sentence, in the running request's language, or itself if untranslated.

    `values` fill its {places}; with a number as `count` it takes that number's form.
    """
    said = in_form(message, values.get("count"))
    return said.format(**values) if values else said


def in_form(message: str, count: object = None) -> str:
    """The words for `message` in the running request's language, its places still open; in the form for `count`.

    `count` may be written out already, as 1,200.
    """
    catalogue = _catalogues.get(_locale.get())
    if catalogue is None or not message:
        return message
    if count is not None:
        number = count if isinstance(count, int) else 1 if str(count) == "1" else 2
        said = str(catalogue.ngettext(message, message, number))
        if said != message:
            return said
    return str(catalogue.gettext(message))


def message_ids(written: M) -> M:
    """`written`, a message or a table of them, marked for the catalogues; each is translated where it is shown."""
    return written


def month_name(month: int) -> str:
    """What a month from 1 to 12 is called in the running request's language: 11 (before 月), November."""
    return _MONTHS[month - 1] if _locale.get() == "en" else str(month)


def translate_count(singular: str, plural: str, count: int) -> str:
    """The form for `count`, for languages that have several; Chinese has one."""
    catalogue = _catalogues.get(_locale.get())
    return str(catalogue.ngettext(singular, plural, count)) if catalogue is not None else singular


#: What code marks its messages with.
_ = translate
