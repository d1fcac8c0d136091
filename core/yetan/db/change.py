"""The one way a service changes something: one transaction, one idempotency key, the first answer for a repeat."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from string import Formatter
from typing import Any, Concatenate, ParamSpec, TypeVar

from tortoise.models import Model
from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.audit.service import note_recorded, write
from yetan.db.again import made_again
from yetan.db.statements import fetch
from yetan.errors import Refused, YetanError
from yetan.events.wakeup import wake_workers
from yetan.faults import reached
from yetan.only_asked import refuse_if_only_asked
from yetan.runtime import current

P = ParamSpec("P")
M = TypeVar("M", bound=Model)
Service = Callable[Concatenate[Act, P], Coroutine[Any, Any, M]]

_within: ContextVar[bool] = ContextVar("yetan_within_change", default=False)


def change(returns: type[M], *, action: str = "") -> Callable[[Service[P, M]], Service[P, M]]:
    """Make an async function `(act, ...) -> returns` a service.

    It runs in a transaction; with `act.key` set, the key is written first, so that a double click, two tabs or a
    lost answer end in one effect, and a repeat gets the row the first call returned (C54). The same key with other
    content is refused. Of two at the same moment the second waits for the first.

    Rows, event, deliveries and the audit record stand together or not at all (C62). `action` is what the record calls
    it, "issues.assign" unless given; it may name parameters that hold codes, as in "issue.{name}". A change that calls
    another is one deed: the outer one has the key and the record. In safe mode nothing is changed (F22), nor while a
    form is only asked for again.
    """

    def decorate(service: Service[P, M]) -> Service[P, M]:
        name = f"{service.__module__}.{service.__qualname__}"
        called = action or _noun_and_verb(service)
        # To bind what is given to the service's parameters takes longer than to write a row.
        parameters = list(inspect.signature(service).parameters)[1:]
        places = {code: parameters.index(code) for _, code, *_ in Formatter().parse(called) if code}

        @made_again
        @functools.wraps(service)
        async def run(act: Act, /, *args: P.args, **kwargs: P.kwargs) -> M:
            refuse_if_only_asked()
            if current().configuration.left_out:
                raise SafeMode
            if _within.get():
                async with in_transaction():
                    return await service(act, *args, **kwargs)
            token = _within.set(True)
            try:
                async with in_transaction():
                    if act.key:
                        earlier = await _take_key(act, name, _fingerprint(act, args, kwargs))
                        if earlier is not None:
                            note_recorded()
                            return await returns.get(pk=earlier)
                        reached("change.keyed")
                    result = await service(act, *args, **kwargs)
                    if act.key:
                        await _keep_result(act, name, result)
                    codes = {code: kwargs[code] if code in kwargs else args[at] for code, at in places.items()}
                    await write(act, called.format_map(codes), f"{returns.__name__}:{result.pk}", "done")
                    # What changes no event tells of, a rule or a name, shows on pages of other processes as well.
                    await wake_workers()
                    reached("change.served")
            finally:
                _within.reset(token)
            note_recorded()
            reached("change.committed")
            return result

        return run

    return decorate


class SafeMode(YetanError):  # noqa: N818 - read as "the city is in safe mode"
    """Plugins are left out: what they would have refused or followed up must not happen without them."""

    status = 503

    def __init__(self) -> None:
        super().__init__("系统正在安全模式下检修，现在只能看，不能改。您写的没有保存，请过一会儿再提交。")


def _noun_and_verb(service: Callable[..., Any]) -> str:
    """The package of a service below `yetan`, or the plugin's, and what it is called: "issues.assign"."""
    return f"{service.__module__.removeprefix('yetan.').partition('.')[0]}.{service.__name__}"


async def _take_key(act: Act, service: str, fingerprint: str) -> int | None:
    """Write the key; None if it is new, else the id of what the first call made."""
    from yetan.events.models import RequestKey

    at = RequestKey._meta.fields_map["at"].to_db_value(act.now, RequestKey)
    new = await fetch(
        "INSERT INTO yetan_request_key (key, service, fingerprint, at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (key, service) DO NOTHING RETURNING id",
        [act.key, service, fingerprint, at],
    )
    if new:
        return None
    rows = await fetch(
        "SELECT fingerprint, result_id FROM yetan_request_key WHERE key = ? AND service = ?",
        [act.key, service],
    )
    if rows[0]["fingerprint"] != fingerprint:
        raise Refused("这张表单已经提交过一次，内容和这次不一样。请刷新页面，看看上次的结果，再决定要不要重新填。")
    return int(rows[0]["result_id"])


async def _keep_result(act: Act, service: str, result: Model) -> None:
    """Write down what a repeat is given."""
    statement = "UPDATE yetan_request_key SET result_id = ? WHERE key = ? AND service = ?"
    await fetch(statement, [result.pk, act.key, service])


def _fingerprint(act: Act, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [
        act.actor.label,
        *map(_stable, args),
        *(f"{name}={_stable(kwargs[name])}" for name in sorted(kwargs)),
    ]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _stable(value: object) -> str:
    """A text that is the same for the same input and no other; models count by id, bytes by their hash."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, Model):
        return f"{type(value).__name__}:{value.pk}"
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_stable(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_stable(each) for each in value) + "]"
    return str(value)
