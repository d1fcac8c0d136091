"""Whether the site lives and can serve: for supervisors, load balancers and `yetan check`."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from starlette.responses import JSONResponse, PlainTextResponse, Response

from yetan.db.applied import pending
from yetan.db.statements import fetch
from yetan.events.models import Delivery
from yetan.plugins.declarations import Health, Page
from yetan.runtime import current
from yetan.search import SearchUnavailable
from yetan.web.request import Request

logger = logging.getLogger(__name__)

#: Seconds a check may take before it counts as failed.
_PATIENCE = 5.0
#: A delivery that has waited longer is late: the worker has stopped or does not keep up.
LATE_AFTER = timedelta(minutes=5)


async def readiness(now: datetime) -> list[Health]:
    """What must hold for the site to serve: the database, its schema, the data folder."""
    database = await _database()
    schema = await _schema() if database.ok else Health("schema", False, "unknown while the database does not answer")
    return [database, schema, await asyncio.to_thread(_data_folder)]


async def deliveries(now: datetime) -> Health:
    """Whether events reach their subscribers. A dead delivery waits for an administrator, the site serves on."""
    dead = await Delivery.filter(state="dead").count()
    late = await Delivery.filter(state="pending", due_at__lt=now - LATE_AFTER).count()
    remedy = (
        "see the failed deliveries at /admin or run `yetan events replay`" if dead else "check that the worker runs"
    )
    return Health("deliveries", not dead and not late, f"{dead} dead, {late} late", remedy if dead or late else "")


async def _database() -> Health:
    try:
        async with asyncio.timeout(_PATIENCE):
            await fetch("SELECT 1")
    except Exception as error:
        logger.error("readiness: the database does not answer: %s", error)
        return Health("database", False, "does not answer", "check database.url and that the server runs")
    return Health("database", True, "answers")


async def _schema() -> Health:
    runtime = current()
    try:
        waiting = await pending(runtime.configuration, runtime.registry.applications)
    except Exception as error:
        logger.error("readiness: the schema cannot be read: %s", error)
        return Health("schema", False, "cannot be read", "run `yetan db upgrade`")
    if waiting:
        return Health("schema", False, f"{len(waiting)} migrations are pending", "run `yetan db upgrade`")
    return Health("schema", True, "up to date")


def _data_folder() -> Health:
    try:
        with tempfile.TemporaryFile(dir=Path(current().configuration.data_dir)):
            return Health("data_folder", True, "writable")
    except OSError as error:
        logger.error("readiness: the data folder is not writable: %s", error)
        return Health("data_folder", False, "not writable", "give the service's user the right to write there")


async def _search() -> Health:
    """Whether the index can be read and is made as it would be made now; without it the database is searched."""
    backend = current().search
    try:
        due = "" if backend is None else await backend.due()
    except SearchUnavailable as error:
        due = str(error)
    return Health("search_index", not due, due or "up to date", "run `yetan search rebuild`" if due else "")


async def healthz(request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """The site can serve; 503 otherwise. Names and yes or no alone: the details are in the log and `yetan check`."""
    checks = await readiness(request.act.now)
    ready = all(check.ok for check in checks)
    if checks[0].ok and checks[1].ok:
        checks += [await deliveries(request.act.now), await _search()]
    told = {"ready": ready, "checks": {check.name: check.ok for check in checks}}
    return JSONResponse(told, status_code=200 if ready else 503)


#: Personal: never cached, and served by every site.
PAGES = (
    Page("/healthz", healthz, "healthz", public=True, personal=True),
    Page("/readyz", readyz, "readyz", public=True, personal=True),
)
