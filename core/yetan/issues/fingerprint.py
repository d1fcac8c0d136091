"""Finding the same text again under another number (001-23)."""

from __future__ import annotations

import hashlib
import re
import unicodedata

#: Texts with fewer letters than this ("同上", "请尽快处理") say nothing without their titles.
_TELLING_LENGTH = 10


def fingerprint_of(title: str, text: str) -> str:
    """A hash (64 hex digits) that two wordings share when only width, case, spaces and punctuation differ.

    The text decides, and where it is too short to tell, the title with it: repeats are often sent under a
    title worded anew.
    """
    letters = _letters(text)
    if len(letters) < _TELLING_LENGTH:
        letters = _letters(title) + letters
    return hashlib.sha256(letters.encode("utf-8", "surrogatepass")).hexdigest()


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
