"""The guard around what plugins declare: every call by itself, timed, counted, with an end, told by its plugin's name.

All of it is put on in one place, `guard_declarations`, when the registry is made; who calls a panel's loader or a
subscription's handler sees a function as before. What the core declares is called directly.

A failure costs what was asked for and nothing else: the panel's place, the batch of the subscriber, the plugin's own
page. Whatever decides who may do or see something refuses when it fails (F18). A plugin in quarantine is not called at
all (`yetan.plugins.quarantine`); its deliveries, jobs and due dates wait.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Mapping
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from yetan.db.failures import database_is_away, disk_is_full
from yetan.errors import Forbidden, YetanError
from yetan.events.attempts import bounded, describe, uncalled_for
from yetan.fields import field_names
from yetan.files.storage import StorageUnavailable
from yetan.search import SearchUnavailable

if TYPE_CHECKING:
    from yetan.plugins.declarations import Visibility
    from yetan.plugins.registry import Registry

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds somebody waits for a part of a page, or for a yes or no.
SOON = timedelta(seconds=2)
#: For a paper, and for a whole page of the plugin's own.
PAPER, PAGE = timedelta(seconds=10), timedelta(minutes=1)
#: Seconds a plugin may hold the event loop in one go before that is told: nobody else is answered meanwhile.
HELD = 0.25
#: Failures that wait to be written down, at most; the first ones tell enough.
_WAITING = 100

#: Not the plugin's doing: a refusal, somebody who left, or a database, disk or index that is away.
_NO_FAILURE = (YetanError, HTTPException, ClientDisconnect, StorageUnavailable, SearchUnavailable)


class Paused(YetanError):  # noqa: N818 - read as "the plugin is paused"
    """The plugin is in quarantine."""

    status = 503

    def __init__(self) -> None:
        super().__init__("这项功能接连出错，暂时停用了，管理员已经收到消息。其他功能照常使用。")


class Failure(Struct, frozen=True):
    """A call that failed, or that took too long."""

    call: str
    error: str
    late: bool


class Figures(Struct):
    """What the calls of one function came to. Times are in seconds."""

    calls: int = 0
    failures: int = 0
    #: From the call to its end, waiting included: all together, and the longest.
    seconds: float = 0.0
    slowest: float = 0.0
    #: What of it the event loop was held: all together, the longest in one go, and how often longer than it should be.
    held: float = 0.0
    longest: float = 0.0
    blocked: int = 0

    def add(self, other: Figures) -> None:
        """Count in what other calls of the same function came to."""
        self.calls += other.calls
        self.failures += other.failures
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.held += other.held
        self.longest = max(self.longest, other.longest)
        self.blocked += other.blocked


class Conduct(Struct):
    """How one plugin behaves in this process."""

    plugin: str
    paused: bool = False
    #: What its calls came to since that was last taken to be written down, and before.
    counting: dict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    _before: dict[str, Figures] = field(default_factory=lambda: defaultdict(Figures))
    #: What failed and is not written down yet; see `yetan.plugins.quarantine`.
    failures: list[Failure] = field(default_factory=list)
    #: Called when something has failed.
    noticed: Callable[[], None] = lambda: None

    @property
    def figures(self) -> Mapping[str, Figures]:
        """What its calls came to in this process."""
        whole: dict[str, Figures] = defaultdict(Figures)
        for part in (self._before, self.counting):
            for call, figures in part.items():
                whole[call].add(figures)
        return whole

    def take(self) -> Mapping[str, Figures]:
        """What its calls came to since this was last asked; see `yetan.plugins.timing`."""
        taken, self.counting = self.counting, defaultdict(Figures)
        for call, figures in taken.items():
            self._before[call].add(figures)
        return taken

    def failed(self, call: str, error: BaseException) -> None:
        """Note that a call failed. What is not the plugin's doing is not noted."""
        if isinstance(error, _NO_FAILURE) or database_is_away(error) or disk_is_full(error):
            return
        self.counting[call].failures += 1
        logger.error("plugin %s: %s failed: %s", self.plugin, call, describe(error))
        if len(self.failures) < _WAITING:
            self.failures.append(Failure(call, describe(error), isinstance(error, TimeoutError)))
        self.noticed()

    def called(self, call: str, seconds: float) -> None:
        """Note that a call has come to its end after so long."""
        figures = self.counting[call]
        figures.calls += 1
        figures.seconds += seconds
        if seconds > figures.slowest:
            figures.slowest = seconds

    def held(self, call: str, seconds: float) -> None:
        """Note that the event loop was held for so long."""
        figures = self.counting[call]
        figures.held += seconds
        if seconds > figures.longest:
            figures.longest = seconds
        if seconds > HELD:
            figures.blocked += 1
            logger.warning("plugin %s: %s let everybody else wait for %.2f s", self.plugin, call, seconds)


class Guarded:
    """An async function of a plugin, called through the guard. `limit` is how long it may take, if there is one."""

    __slots__ = ("_limit", "call", "conduct", "function", "waits")

    def __init__(
        self, conduct: Conduct, call: str, function: Callable[..., Awaitable[Any]], limit: timedelta | None = None
    ) -> None:
        self.conduct = conduct
        self.call = call
        self.function = function
        self._limit = limit
        #: Whether it has ever waited for something; None before a first call of it has ended.
        self.waits: bool | None = None

    @property
    def paused(self) -> bool:
        """Whether its plugin is in quarantine."""
        return self.conduct.paused

    async def __call__(self, *arguments: Any) -> Any:
        if self.conduct.paused:
            raise Paused
        begun = perf_counter()
        try:
            work = self.function(*arguments).__await__()
            # Most never wait for anything: what bounds and counts the steps of the others is not made for them.
            try:
                waiting = work.send(None)
            except StopIteration as done:
                self.waits = bool(self.waits)
                return done.value
            except CancelledError:
                # Nobody can have asked for it meanwhile.
                raise uncalled_for() from None
            finally:
                self.conduct.held(self.call, perf_counter() - begun)
            self.waits = True
            steps = _Steps(self, work, waiting)
            return await (bounded(steps, self._limit) if self._limit else steps)
        except Exception as error:
            self.failed(error)
            raise
        finally:
            self.conduct.called(self.call, perf_counter() - begun)

    def at_once(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of the plugin's that is not async, such as the drawing of its template, as part of this."""
        if self.conduct.paused:
            raise Paused
        begun = perf_counter()
        try:
            return function(*arguments)
        except Exception as error:
            self.failed(error)
            raise
        finally:
            seconds = perf_counter() - begun
            self.conduct.held(self.call, seconds)
            self.conduct.counting[self.call].seconds += seconds

    def failed(self, error: BaseException) -> None:
        """Note that it failed in a way it could not notice itself."""
        self.conduct.failed(self.call, error)


class _Steps:
    """Runs what is `waiting` on step by step, noting how long each holds the event loop."""

    __slots__ = ("_guarded", "_waiting", "_work")

    def __init__(self, guarded: Guarded, work: Generator[Any, Any, Any], waiting: Any) -> None:
        self._guarded = guarded
        self._work = work
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, Any]:
        conduct, call = self._guarded.conduct, self._guarded.call
        step: Callable[..., Any]
        given: Any
        waiting = self._waiting
        while True:
            try:
                given = yield waiting
                step = self._work.send
            except BaseException as error:
                step, given = self._work.throw, error
            begun = perf_counter()
            try:
                waiting = step(given)
            except StopIteration as done:
                return done.value
            finally:
                conduct.held(call, perf_counter() - begun)


def is_paused(function: Callable[..., Any]) -> bool:
    """Whether a declared function belongs to a plugin that is in quarantine."""
    return getattr(function, "paused", False)


def plugin_of(function: Callable[..., Any]) -> str:
    """The plugin a declared function belongs to; "" for the core's."""
    return function.conduct.plugin if isinstance(function, Guarded) else ""


#: By attribute of the registry: what one is called, and which of its functions are guarded with which limit. Those
#: without one are bounded by whoever calls them, or by nothing: a rebuild of the index takes as long as it takes.
_FUNCTIONS: Mapping[str, tuple[str, Mapping[str, timedelta | None]]] = {
    "pages": ("page", {"endpoint": PAGE}),
    "guards": ("guard", {"check": SOON}),
    "bulk_actions": ("bulk action", {"run": PAPER, "refusal": SOON, "undo": PAPER}),
    "subscriptions": ("subscription", {"handle": None}),
    "jobs": ("job", {"run": None}),
    "due_kinds": ("due", {"handle": None}),
    "documents": ("document", {"load": PAPER, "available": SOON}),
    "panels": ("panel", {"load": None}),
    "search_sources": ("search", {"load": None, "ids": None}),
}


def guard_declarations(registry: Registry) -> None:
    """Put the guard around every function that a plugin declares."""
    for attribute, (noun, limits) in _FUNCTIONS.items():
        declared = getattr(registry, attribute)
        if isinstance(declared, tuple):
            setattr(registry, attribute, tuple(_guarded(registry, noun, limits, each) for each in declared))
        else:
            guarded = {key: _guarded(registry, noun, limits, each) for key, each in declared.items()}
            setattr(registry, attribute, guarded)
    registry.visibility = {model: _denying(registry, each) for model, each in registry.visibility.items()}


def _guarded(registry: Registry, noun: str, limits: Mapping[str, timedelta | None], declared: Any) -> Any:
    plugin = registry.owner_of(declared)
    conduct = registry.conducts.get(plugin)
    if conduct is None:
        return declared
    call = f"{noun} {getattr(declared, 'name' if 'name' in field_names(type(declared)) else 'kind')}"
    functions = {name: getattr(declared, name) for name in limits}
    guarded = replace(
        declared,
        **{
            name: Guarded(conduct, call, function, limits[name])
            for name, function in functions.items()
            if function is not None
        },
    )
    registry.owners.add(guarded, plugin)
    return guarded


def _denying(registry: Registry, declared: Visibility) -> Visibility:
    """What tells who may see the rows of a model; nobody may where it fails (F18)."""
    conduct = registry.conducts.get(registry.owner_of(declared))
    if conduct is None:
        return declared
    reaching = Guarded(conduct, f"visibility {declared.model.__name__}", declared.units, SOON)

    def denied(error: Exception) -> Exception:
        return error if isinstance(error, _NO_FAILURE) and not isinstance(error, Paused) else _Denied()

    def guarded_rows(act: Any) -> Any:
        try:
            return reaching.at_once(declared.rows, act)
        except Exception as error:
            raise denied(error) from error

    async def guarded_units(row: Any) -> Any:
        try:
            return await reaching(row)
        except Exception as error:
            raise denied(error) from error

    denying = replace(declared, rows=guarded_rows, units=guarded_units)
    registry.owners.add(denying, conduct.plugin)
    return denying


class _Denied(Forbidden):
    """Whether somebody may could not be found out."""

    def __init__(self) -> None:
        super().__init__("暂时核对不了您的权限，所以没有打开。请过一会儿再试，还是不行就联系管理员。")
