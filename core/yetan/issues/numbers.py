"""Issue numbers: digits that can be said by phone, "26-1183", in order of registration within a year."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from yetan.db.statements import fetch


async def next_numbers(on: date, count: int = 1) -> list[str]:
    """Give out `count` numbers of the year of `on`. One conditional update, so that no number is given twice."""
    rows = await fetch(
        "INSERT INTO yetan_sequence (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = yetan_sequence.value + EXCLUDED.value RETURNING value",
        [f"issue:{on.year}", count],
    )
    last = int(rows[0]["value"])
    return [f"{on.year % 100:02d}-{value}" for value in range(last - count + 1, last + 1)]


def normal_number(typed: str) -> str:
    """A number as it was given out, from what somebody typed: full-width, with a space or nothing for the dash.

    A keypad of digits has no dash, and the year always has two digits.
    """
    text = unicodedata.normalize("NFKC", typed).strip()
    found = re.fullmatch(r"(\d\d)\s*[-‐‑‒–—―−_.]?\s*(\d{1,9})", text)
    return f"{found[1]}-{found[2]}" if found else text
