"""Making a change again that the database took back for the sake of another (F10)."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from tortoise.models import Model

from yetan.db.failures import gave_way
from yetan.db.statements import inside_transaction

P = ParamSpec("P")
T = TypeVar("T")

#: How often, at most. Whoever loses that often meets a storm, and is told to come back.
TRIES_AGAIN = 3


def made_again(transaction: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let `transaction`, an async function that is one whole transaction, run again after a deadlock or the like.

    Within a larger transaction it is not: that one is lost as a whole.
    """

    @functools.wraps(transaction)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if inside_transaction():
            return await transaction(*args, **kwargs)
        # The rows it was given, as they were: a try that failed may have changed them in memory.
        rows = [(each, dict(vars(each))) for each in (*args, *kwargs.values()) if isinstance(each, Model)]
        for tries in range(1, TRIES_AGAIN + 1):
            try:
                return await transaction(*args, **kwargs)
            except Exception as error:
                if not gave_way(error):
                    raise
            for row, values in rows:
                vars(row).clear()
                vars(row).update(values)
            await asyncio.sleep(random.uniform(0.01, 0.05) * tries)  # noqa: S311 - so that they do not meet again
        return await transaction(*args, **kwargs)

    return run
