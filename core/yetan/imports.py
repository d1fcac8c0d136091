"""How a process imports what it needs for as long as it lives."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Collect no garbage while the block imports and declares, and never look for any in what there is at its end.

    Nearly all of it stays: to look through it again and again takes a tenth of a start, and later of each collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
