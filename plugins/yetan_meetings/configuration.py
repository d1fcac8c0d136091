"""What a city decides about its night talks in yetan.toml."""

from __future__ import annotations

from dataclasses import dataclass

from yetan.api import current


@dataclass(frozen=True)
class MeetingsConfiguration:
    """[plugin.meetings]"""

    #: Whether residents may propose topics, and comment on one beforehand; each is read before it is shown.
    topics: bool = True
    comments: bool = True
    #: Whether residents may vote on their own phones; else the host counts hands.
    phone_votes: bool = True


def settings() -> MeetingsConfiguration:
    """What the running city decided."""
    configuration: MeetingsConfiguration = current().plugin_configurations["meetings"]
    return configuration
