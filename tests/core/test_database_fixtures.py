"""The databases that tests are given."""

from __future__ import annotations

import asyncio

from yetan.db.comparison import compare
from yetan.db.connection import CORE_APPLICATION, connected, is_postgres
from yetan.people.models import Person


def test_a_fresh_database_has_exactly_the_models_schema(database_url: str) -> None:
    async def run() -> list[str]:
        async with connected(database_url, [CORE_APPLICATION]):
            assert is_postgres() == database_url.startswith("postgresql")
            assert await Person.all().count() == 0
            return await compare()

    assert asyncio.run(run()) == []
