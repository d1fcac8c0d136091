"""The font that pictures are written in: a machine may have none with Chinese characters."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

#: Where such fonts are looked for, the better ones first, unless the city names one.
_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_FONTS = ("NotoSansCJK-Regular.*", "NotoSansCJKsc-Regular.*", "SourceHanSans*-Regular.*", "wqy-*.tt?", "simhei.ttf")


@lru_cache
def font_file(named: str) -> Path | None:
    """The font file: the one the city named (`card_font`), or one this machine has; None without either."""
    if named:
        return Path(named) if Path(named).is_file() else None
    found = (path for font in _FONTS for folder in _FOLDERS for path in sorted(folder.rglob(font)))
    return next(found, None)
