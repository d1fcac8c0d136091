"""What a city decides about its night activities in yetan.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yetan.api import current, message_ids


@dataclass(frozen=True)
class ConfiguredKind:
    """[plugin.activities.kinds.<name>]: a kind of night activity that a town has of its own."""

    label: str
    #: The counting word of one.
    counted_in: str = message_ids("场")
    #: Which optional columns its form asks for besides theme, date, time and place; see `kinds.OPTIONAL`.
    asks: tuple[str, ...] = ("venue", "host_name", "programme", "stated_residents", "summary")
    #: Whether people sign in by scanning the code.
    signs_in: bool = True
    #: Whether matters are taken at it one by one, each decided before it closes (000-17), and whether what it resolves
    #: has to be voted on.
    agenda: bool = False
    votes: bool = False


@dataclass(frozen=True)
class ActivitiesConfiguration:
    """[plugin.activities]"""

    #: The kinds of places where people meet, as the town says them (002-A1).
    venues: tuple[str, ...] = message_ids(("板凳", "廊桥", "圆桌", "凉亭", "庭院", "广场"))
    #: For how many seconds a sign-in code on the wall is good; the one before it is still taken.
    code_seconds: int = 60
    #: For how many minutes the page that a code opened may be filled in.
    form_minutes: int = 20
    #: Whether residents may write what they felt about an evening; each is read before it is shown.
    reflections: bool = True
    kinds: Mapping[str, ConfiguredKind] = field(default_factory=dict)


def settings() -> ActivitiesConfiguration:
    """What the running city decided."""
    configuration: ActivitiesConfiguration = current().plugin_configurations["activities"]
    return configuration
