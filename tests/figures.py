"""Figures that some tests keep when they are run at length: `make soak` names the file and the sizes."""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = "YETAN_SOAK_FIGURES"


def size(name: str, usual: int) -> int:
    """How large a test is to be: `usual`, or what the soak asks for in the environment."""
    return int(os.environ.get(name, str(usual)))


def keep(name: str, **figures: object) -> None:
    """Add a line of figures to the soak's file; does nothing where none is asked for."""
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: figures}, ensure_ascii=False) + "\n")
