"""What people asked for and what they were answered: written outside the city, so that it survives the city's death."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.city import append


@dataclass(frozen=True)
class Request:
    """One thing somebody asks for, in words that can be sent again.

    `events` are those it leaves behind on its issue when it is done, `beside` those on others, by their numbers.
    """

    key: str
    step: str
    by: str
    values: Mapping[str, Any]
    events: Sequence[str] = ()
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass
class Journal:
    """Every request of a city in order, with its answer or the refusal it met; in a `crowd`, of several processes."""

    path: Path
    requests: dict[str, Request] = field(default_factory=dict)
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    now: datetime | None = None
    crowd: bool = False

    @classmethod
    def read(cls, path: Path) -> Journal:
        """The journal as it stands."""
        journal = cls(path)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            journal._take(json.loads(line))
        return journal

    @classmethod
    def of_crowd(cls, journals: Iterable[Journal]) -> Journal:
        """What several processes were asked and answered, as one; their keys differ."""
        crowd = cls(Path(), crowd=True)
        for each in journals:
            crowd.requests |= each.requests
            crowd.answers |= each.answers
            crowd.refusals |= each.refusals
        return crowd

    def _take(self, entry: Mapping[str, Any]) -> None:
        match entry:
            case {"request": request}:
                self.requests[request["key"]] = Request(**request)
            case {"key": key, "answer": answer}:
                self.answers[key] = answer
            case {"key": key, "refusal": refusal}:
                self.refusals[key] = refusal
            case {"now": now}:
                self.now = datetime.fromisoformat(now)

    def _write(self, entry: Mapping[str, Any]) -> None:
        append(self.path, json.dumps(entry, ensure_ascii=False) + "\n")
        self._take(entry)

    def sends(self, request: Request) -> None:
        """Somebody sends `request`."""
        self._write({"request": asdict(request)})

    def answered(self, request: Request, answer: Mapping[str, Any]) -> None:
        """The city acknowledged `request`: from now on it must never be lost."""
        self._write({"key": request.key, "answer": dict(answer)})

    def refused(self, request: Request, message: str) -> None:
        """The city said no: nothing may come of `request`."""
        self._write({"key": request.key, "refusal": message})

    def clock(self, now: datetime) -> None:
        """It is `now` in the city."""
        self._write({"now": now.isoformat()})

    @property
    def unanswered(self) -> list[Request]:
        """What was asked and never answered, because the city died."""
        return [each for key, each in self.requests.items() if key not in self.answers and key not in self.refusals]
