"""How a process imports what it needs for as long as it lives."""

from __future__ import annotations

import gc
import importlib
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Collect no garbage while the block imports and declares, and never look for any in what there is at its end.

    Nearly all of it stays: to look through it again and again takes a tenth of a start, and later of each collection.
    """
    gc.disable()
    try:
        with _pydantic_only_where_used():
            yield
    finally:
        # Tortoise reads the source of its own model while it is imported.
        linecache.clearcache()
        gc.freeze()
        gc.enable()


@contextmanager
def _pydantic_only_where_used() -> Iterator[None]:
    """Import Tortoise as where there is no pydantic, which takes 6 MB and a tenth of a start.

    Tortoise wants it for JSON columns that hold its models: a plugin that has one imports it, and Tortoise is told.
    """
    missing = "pydantic" not in sys.modules
    if missing:
        sys.modules["pydantic"] = None  # type: ignore[assignment]
    try:
        data: Any = importlib.import_module("tortoise.fields.data")
    finally:
        if missing:
            del sys.modules["pydantic"]
    yield
    if pydantic := sys.modules.get("pydantic"):
        data._PydanticBaseModel, data._PydanticModelMetaclass = pydantic.BaseModel, type(pydantic.BaseModel)
