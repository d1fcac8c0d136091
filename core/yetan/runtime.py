"""What a running city is made of. Put together once by `yetan.app` or a command; read by services and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from yetan.act import SYSTEM, Act, Clock

if TYPE_CHECKING:
    from yetan.calendar import WorkingCalendar
    from yetan.config import Configuration
    from yetan.files.storage import FileStore
    from yetan.plugins.declarations import State
    from yetan.plugins.registry import Registry
    from yetan.search import SearchBackend


class Runtime(Struct):
    """A city at work: its configuration, what core and plugins declare, clock, calendar, files and search."""

    configuration: Configuration
    registry: Registry
    clock: Clock
    calendar: WorkingCalendar
    files: FileStore
    search: SearchBackend | None
    plugin_configurations: Mapping[str, Any]
    #: The states of plugins that are off, as issues in them act now (F21).
    former_states: Mapping[str, State] = field(default_factory=dict)
    #: Where the system's own acts come from, for the audit: the operator's command, as "command user create".
    source: str = ""

    def system_act(self, *, key: str = "", historical: bool = False) -> Act:
        """An act of the system now: jobs, subscribers, the operator's commands."""
        return Act(actor=SYSTEM, now=self.clock(), key=key, source=self.source, historical=historical)


_current: Runtime | None = None


def current() -> Runtime:
    """The running city. One process serves one city."""
    assert _current is not None, "No city is running; use `yetan.app.running(configuration)`."
    return _current


def use(runtime: Runtime | None) -> None:
    """Make `runtime` the running city, or none. Called by `yetan.app.running` alone."""
    global _current
    _current = runtime
