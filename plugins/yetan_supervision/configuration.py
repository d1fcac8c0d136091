"""What a city decides about supervision in yetan.toml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SupervisionConfiguration:
    """[plugin.supervision]"""

    #: Whether notices are issued by the clock; else officials issue each by hand.
    automatic: bool = True
