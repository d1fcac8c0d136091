"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

#: How like the two have to be, from 0 to 1, unless the caller says otherwise.
LIKENESS = 0.6


def nearest(written: str, known: Iterable[str], likeness: float = LIKENESS) -> str | None:
    """The name of those `known` that is most like what was `written`; None where none is like it."""
    from difflib import get_close_matches  # most processes meet no wrong name

    return next(iter(get_close_matches(written, list(known), n=1, cutoff=likeness)), None)
