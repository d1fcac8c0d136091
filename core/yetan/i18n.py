"""Languages. Message ids are the Simplified Chinese sentences themselves; other languages come from .po files.

The catalogues come from `locale/<locale>/LC_MESSAGES/messages.po` of the core, the plugins, the theme and the
deployment, as they are at start; later ones win, so a city may also override a label of its own language.
`python -m yetan.messages` and `yetan plugin messages` keep them.

Values stand in a message as {name}. The one called `count` chooses among the forms a language has for numbers.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from typing import TypeVar

from yetan.compiled import CompiledFiles

#: Every locale there may be, with its name in itself.
LOCALES: Mapping[str, str] = {"zh_Hans": "简体中文", "zh_Hant": "繁體中文", "en": "English"}
DEFAULT_LOCALE = "zh_Hans"

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
M = TypeVar("M")

_locale: ContextVar[str] = ContextVar("yetan_locale", default=DEFAULT_LOCALE)
#: The compiled catalogues of each locale, the one that wins first.
_compiled: dict[str, tuple[bytes, ...]] = {}
#: Those that were spoken since; None where there are none.
_spoken: dict[str, GNUTranslations | None] = {}


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


def load_catalogues(folders: Iterable[Path], kept: CompiledFiles) -> None:
    """Compile the catalogues of `folders`, later ones winning. Each locale is read when it is first spoken.

    Raises `ConfigurationError` naming each file that is not a valid catalogue.
    """
    # Errors are said in the reader's language, by this module: it is there before them.
    from yetan.errors import ConfigurationError

    problems: list[str] = []
    found: dict[str, tuple[bytes, ...]] = {}
    for folder in folders:
        for locale in LOCALES:
            path = folder / locale / "LC_MESSAGES" / "messages.po"
            if path.is_file():
                try:
                    found[locale] = (_compiled_from(path, locale, kept), *found.get(locale, ()))
                except (ValueError, OSError) as error:
                    problems.append(f"{path}: is not a valid catalogue: {error}")
    if problems:
        raise ConfigurationError(problems)
    _spoken.clear()
    _compiled.clear()
    _compiled.update(found)


def _compiled_from(path: Path, locale: str, kept: CompiledFiles) -> bytes:
    """A catalogue as gettext reads it. Raises `ValueError` where it is not valid."""
    name, source = f"{hashlib.sha256(str(path).encode()).hexdigest()}.mo", path.read_bytes()
    compiled = kept.find(name, source)
    if compiled is None:
        # It takes longer to read a catalogue with Babel than to start all the rest.
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import PoFileError, read_po

        written = io.BytesIO()
        try:
            write_mo(written, read_po(io.BytesIO(source), locale=locale, abort_invalid=True))
        except PoFileError as error:
            raise ValueError(str(error)) from error
        compiled = written.getvalue()
        _read((compiled,))
        kept.keep(name, source, compiled)
    return compiled


def _catalogue() -> GNUTranslations | None:
    """What the running request's language is spoken from, if there is anything to translate."""
    locale = _locale.get()
    if locale not in _spoken:
        _spoken[locale] = _read(_compiled.get(locale, ()))
    return _spoken[locale]


@cache
def _read(compiled: tuple[bytes, ...]) -> GNUTranslations | None:
    """Compiled catalogues as one, the first of them winning; those of all cities are read once in a process.

    Raises `ValueError` or `OSError` for what is no such catalogue.
    """
    if not compiled:
        return None
    catalogue = GNUTranslations(io.BytesIO(compiled[0]))
    if behind := _read(compiled[1:]):
        catalogue.add_fallback(behind)
    return catalogue


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
    catalogue = _catalogue()
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
    catalogue = _catalogue()
    return str(catalogue.ngettext(singular, plural, count)) if catalogue is not None else singular


#: What code marks its messages with.
_ = translate
