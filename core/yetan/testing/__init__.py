"""The pytest kit that plugin authors get: a small town in a throw-away database. See `yetan.testing.town`."""

from yetan.testing.town import Browser, StandingClock, Town

__all__ = ["Browser", "StandingClock", "Town"]
