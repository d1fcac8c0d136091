"""What a plugin adds to a demo city's history: scenes of its own, played at their time among the core's matters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from yetan.act import Act
from yetan.people.models import Account, Person


class Scene(Struct, frozen=True):
    """Something that happens at an instant, aware and in UTC; one that lies ahead of the day of the demo does not.

    `play` calls services with `Stage.act`; what falls due and what follows from events happens between the scenes.
    """

    at: datetime
    play: Callable[[], Awaitable[None]]


class Stage(Protocol):
    """The demo city as a tale finds it, founded and empty: its folder `demo` and, by the names and codes used there,
    who and what is in it."""

    folder: Path
    now: datetime
    units: dict[str, int]
    categories: dict[str, int]
    persons: dict[str, Person]
    accounts: dict[str, Account]
    #: The matters raised so far, by name. A scene that raises one puts it here, so that its steps find it.
    issues: dict[str, int]

    def instant(self, days_ago: int, at: str) -> datetime:
        """A time of the day, as in "19:30", so many days before the demo; of a day to come, a negative number."""

    async def act(self, account: str = "") -> Act:
        """An act of that account at the scene's instant; of the system without one."""

    def steps(self, issue: str, days_ago: int, steps: Sequence[Mapping[str, Any]]) -> Sequence[Scene]:
        """What happens to a matter after it was raised, written as in the demo's own files; `day` counts from the day
        so many days ago."""


class Tale(Struct, frozen=True):
    """A plugin's part of the demo. `scenes` is asked once, when the city has been founded."""

    name: str
    scenes: Callable[[Stage], Sequence[Scene]]
