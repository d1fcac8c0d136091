"""Telling the search engine what the town calls things: names of units, places and categories, and synonyms."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from yetan.db.statements import fetch
from yetan.i18n import translate as _
from yetan.issues.models import Category
from yetan.runtime import Runtime, current
from yetan.search import SearchBackend, SearchUnavailable, Vocabulary, rings_in
from yetan.searching.models import PlaceName
from yetan.searching.synonyms import rings
from yetan.units.models import Unit, UnitName

#: The deployment's own rings, beside those of the page.
FILE = "synonyms.txt"
#: How old what an engine knows of synonyms may be, in seconds.
FRESH = 2.0
#: What residents leave off a name: 荷塘 for 荷塘社区.
_ENDINGS = re.compile("(?:省|市|区|县|自治县|镇|乡|街道|办事处|社区|村|组|居委会|村委会|居民委员会|村民委员会)+$")
_APART = re.compile(r"[\s、，,;；/（）()和与及]+")

#: Whom the vocabulary was told, what it was made from, and when (a monotonic clock).
_told: tuple[SearchBackend, object, float] | None = None


async def vocabulary() -> Vocabulary:
    """What the town calls things, now."""
    city = current()
    units = [name for row in await Unit.all().values("name", "short_name") for name in row.values()]
    former = [str(name) for name in await UnitName.all().values_list("name", flat=True)]
    categories = [str(name) for name in await Category.all().values_list("name", flat=True)]
    places = [str(name) for name in await PlaceName.all().values_list("name", flat=True)]
    kinds = [kind.label for kind in city.configuration.unit_kinds.values()]
    words = {*places, *_places((*units, *former))} | {
        part for each in (*categories, *kinds) for part in _APART.split(each)
    }
    own = (*rings_in(_file(city)), *await rings())
    return Vocabulary(tuple(sorted(word for word in words if len(word) > 1)), own)


async def learn() -> None:
    """Tell the engine, where there is one."""
    global _told
    if (backend := current().search) is not None:
        backend.learn(await vocabulary())
        _told = backend, await _stamp(), time.monotonic()


async def learn_changes() -> None:
    """Tell the engine of synonyms that were changed, here or in another process. Costs a query every two seconds."""
    backend = current().search
    if backend is None:
        return
    if _told is None or _told[0] is not backend:
        await learn()
    elif time.monotonic() - _told[2] > FRESH:
        if await _stamp() != _told[1]:
            await learn()
        else:
            _still_true()


async def rebuild_due() -> str:
    """Why the index should be rebuilt, in Chinese; "" where it need not. Raises `SearchUnavailable`."""
    backend = current().search
    if backend is None:
        return ""
    await learn()
    return await backend.due()


async def rebuild_due_or_why_not() -> str:
    """The same for a page, which says so where the index cannot be read."""
    try:
        return await rebuild_due()
    except SearchUnavailable:
        return _("索引读不了")


def _still_true() -> None:
    global _told
    if _told is not None:
        _told = _told[0], _told[1], time.monotonic()


async def _stamp() -> object:
    """Differs after every change of a ring."""
    rows = await fetch("SELECT COUNT(*) AS rings, COALESCE(SUM(version), 0) AS versions FROM yetan_synonym_ring")
    return rows[0]["rings"], rows[0]["versions"]


def _places(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name
        yield _ENDINGS.sub("", name)


def _file(city: Runtime) -> str:
    """The file's text, in UTF-8 or as Chinese office programs save it."""
    path = Path(city.configuration.folder) / FILE
    content = path.read_bytes() if path.is_file() else b""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")
