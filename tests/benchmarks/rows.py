"""The rows of the benchmark's table: what was measured, and the target it has to meet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. It misses its target below `least` or above `most`; without either it only tells."""

    part: str
    name: str
    database: str
    size: int
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether the target is missed; by what failed and has no figure, too."""
        return not (self.least is None or self.value >= self.least) or not (
            self.most is None or self.value <= self.most
        )

    def figures(self) -> dict[str, Any]:
        """The row for a file: what is not said is left out."""
        told = {name: value for name, value in asdict(self).items() if value not in (None, "", 0)}
        value = round(self.value, 3) if math.isfinite(self.value) else None
        return {**told, "value": value, **({"missed": True} if self.missed else {})}

    def __str__(self) -> str:
        target = (
            f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}" if self.most is not None else ""
        )
        size = f"{self.size:,}" if self.size else ""
        marked = f"{target}{' MISSED' if self.missed else ''}"
        return f"{self.name:52}{self.database:>11}{size:>11}{self.value:>12,.3f} {self.unit:<10}{marked:<16}{self.note}"


def median(values: Sequence[float]) -> float:
    """The middle one: what others did to the machine in a round or two does not count."""
    return statistics.median(values)


def at(share: float, values: Sequence[float]) -> float:
    """The value below which `share` of all values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
