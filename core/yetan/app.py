"""Puts a city together from its configuration: the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from ipaddress import ip_network
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from yetan import runtime
from yetan.access import roles
from yetan.act import Clock, system_clock
from yetan.calendar import KNOWN_AHEAD, CalendarFileError, WorkingCalendar, load_calendar_days
from yetan.compiled import CompiledFiles
from yetan.config import Configuration
from yetan.db.applied import pending
from yetan.db.connection import SERVING, UNHURRIED, Patience, connected, sqlite_path
from yetan.errors import ConfigurationError
from yetan.events.worker import Worker
from yetan.files.storage import FileStore
from yetan.i18n import load_catalogues
from yetan.issues.lifecycle import former_states
from yetan.layers import layers
from yetan.plugins import discovery, quarantine
from yetan.plugins.record import record_enabled, recorded_states
from yetan.plugins.registry import Registry, build_registry
from yetan.rules import service as rules
from yetan.runtime import Runtime
from yetan.search import SearchUnavailable
from yetan.searching.mending import mending
from yetan.searching.popular import gathering
from yetan.searching.vocabulary import learn
from yetan.web.admission import Admission
from yetan.web.caching import KeptPages, PageCache
from yetan.web.endpoint import Routes, Site, routes_of
from yetan.web.errors import ErrorPages
from yetan.web.headers import Gate
from yetan.web.templating import Templating

logger = logging.getLogger(__name__)


def assemble(configuration: Configuration) -> Registry:
    """Everything the core and the enabled plugins declare, checked together with the city's roles and rules.

    Raises `ConfigurationError` with all problems.
    """
    registry = build_registry(configuration, discovery.load(configuration.plugins))
    # What those left out declare is not there to be checked.
    problems = (
        []
        if configuration.left_out
        else [
            *roles.check_configured(configuration.roles, registry.permissions),
            *rules.check_configured(configuration.rules, registry.rules),
        ]
    )
    if problems:
        raise ConfigurationError(problems)
    return registry


@asynccontextmanager
async def running(
    configuration: Configuration,
    clock: Clock = system_clock,
    *,
    registry: Registry | None = None,
    patience: Patience = UNHURRIED,
) -> AsyncIterator[Runtime]:
    """The city at work while the block runs: database, files, calendar and search open. For the server and commands.

    Raises `ConfigurationError` with what is wrong and what to do: plugins, calendar, data folder, database or its
    schema.
    """
    registry = registry or assemble(configuration)
    calendar = _calendar(configuration)
    _check_data_folder(configuration)
    load_catalogues(
        (layer.folder / "locale" for layer in reversed(layers(configuration, registry))),
        CompiledFiles(configuration.data_dir / "compiled"),
    )
    city = Runtime(
        configuration=configuration,
        registry=registry,
        clock=clock,
        calendar=calendar,
        files=FileStore(configuration.data_dir / "files"),
        search=registry.search_backend,
        plugin_configurations=registry.configurations,
    )
    async with connected(configuration.database_url, registry.applications, patience=patience):
        if waiting := await pending(configuration, registry.applications):
            raise ConfigurationError(
                [f"数据库：还有 {len(waiting)} 个迁移没有做（第一个是 {waiting[0]}）。请先运行 yetan db upgrade。"]
            )
        runtime.use(city)
        try:
            city.former_states = former_states(registry, await recorded_states())
            await quarantine.look()
            await _open_search(city)
            _tell_gaps(city)
            yield city
        finally:
            if city.search is not None:
                await city.search.close()
            runtime.use(None)


def build_app(
    configuration: Configuration,
    clock: Clock = system_clock,
    *,
    worker: bool = True,
    site: Site = "all",
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Starlette:
    """The web application of a city. Its lifespan runs the city and, with `worker`, a worker beside it; and `beside`.

    `site` is what it serves: "public" for the open network, "desk" for the closed one. Raises
    `ConfigurationError` at once for what does not fit together, and at start for what cannot be reached.
    """
    registry = assemble(configuration)
    _check_addresses(configuration)
    return application(configuration, registry, clock, worker=worker, site=site, beside=beside)


def application(
    configuration: Configuration,
    registry: Registry,
    clock: Clock,
    *,
    worker: bool,
    site: Site,
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Starlette:
    """The web application of a city whose declarations are at hand."""
    templating = Templating(configuration, registry)
    cache = PageCache()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            running(configuration, clock, registry=registry, patience=SERVING),
            mending(),
            gathering(),
            cache.listening(),
            quarantine.watching(),
            beside(),
        ):
            if not configuration.left_out:
                await record_enabled(registry, clock())
            if not worker or configuration.left_out:
                yield
                return
            stop = asyncio.Event()
            task = asyncio.create_task(Worker().run(stop), name="worker")
            try:
                yield
            finally:
                stop.set()
                await task

    async def static(request: Request) -> Response:
        return await templating.static.serve(request)

    routes = [*routes_of(registry.pages, site), Route("/static/{hash}/{path:path}", static, name="static")]
    app = Application(routes, configuration, cache, lifespan)
    app.state.templating = templating
    app.state.cache = cache
    app.state.admission = Admission()
    return app


class Application(Starlette):
    """What stands before a page, outermost first; Starlette's own layers for errors have nothing to do behind ours."""

    def __init__(
        self,
        routes: Sequence[Route],
        configuration: Configuration,
        cache: PageCache,
        lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
    ) -> None:
        super().__init__(lifespan=lifespan)
        self._configuration = configuration
        self._cache = cache
        # A path with a slash too many is not found, rather than redirected to an address made from the Host header.
        self.router = Routes(routes, redirect_slashes=False, lifespan=lifespan)

    def build_middleware_stack(self) -> ASGIApp:
        """Headers, kept pages, errors, then the page."""
        return Gate(KeptPages(ErrorPages(self.router), self._cache), self._configuration)


def _calendar(configuration: Configuration) -> WorkingCalendar:
    path = configuration.city.calendar
    try:
        extra = load_calendar_days(configuration.folder / path) if path else {}
    except CalendarFileError as error:
        raise ConfigurationError([f"city.calendar: {error}"]) from error
    return WorkingCalendar(configuration.city.zone, extra)


def _check_data_folder(configuration: Configuration) -> None:
    """The data folder, its folders and the database file take what is written. Raises `ConfigurationError` (F13)."""
    folder = configuration.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            [f"data.dir：数据文件夹 {folder} 建不了（{error.strerror}）。请换一个位置，或者设置 YETAN_DATA_DIR。"]
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            [f"data.dir：数据文件夹 {folder} 写不了。请给运行服务的用户写入的权限，或者设置 YETAN_DATA_DIR。"]
        )
    below = [path for path in folder.iterdir() if path.is_dir()]
    database = Path(sqlite_path(configuration.database_url)) if configuration.is_sqlite else None
    if database is not None and database.exists():
        below += [database.parent, database]
    closed = [path for path in below if not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else os.R_OK))]
    if closed:
        remedy = "请给运行服务的用户写入的权限，再看它所在的磁盘是不是只读的。"
        raise ConfigurationError([f"{path} 写不了。{remedy}" for path in sorted(set(closed))])


def _check_addresses(configuration: Configuration) -> None:
    problems = []
    server = configuration.server
    for key, addresses in (("trusted_proxies", server.trusted_proxies), ("metrics_readers", server.metrics_readers)):
        for each in addresses:
            try:
                ip_network(each)
            except ValueError as error:
                problems.append(f"server.{key}: {error}; write an address such as '10.0.0.5' or '10.0.0.0/24'")
    if problems:
        raise ConfigurationError(problems)


def _tell_gaps(city: Runtime) -> None:
    """Say loudly which year's holidays nobody knows yet, before a deadline falls into it; the calendar logs it."""
    today = city.calendar.local_date(city.clock())
    city.calendar.gaps(today, today + KNOWN_AHEAD)


async def _open_search(city: Runtime) -> None:
    """A damaged index does not keep the city from running: pages answer from the database and say so."""
    if city.search is None:
        return
    await learn()
    try:
        await city.search.open()
    except SearchUnavailable as error:
        logger.error("the search index cannot be used, searches go to the database: %s", error)
