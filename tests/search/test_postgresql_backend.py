"""PostgreSQL as an engine: what is its own alone."""

from __future__ import annotations

import pytest
from tests.postgresql import execute
from tests.search.engines import LAMP_TITLE, Database

pytestmark = pytest.mark.postgresql


def test_what_documents_are_narrowed_by_stays_in_their_rows(postgresql_url: str) -> None:
    Database(postgresql_url).fill(LAMP_TITLE)
    execute(
        postgresql_url,
        """
        DO $$ BEGIN
            ASSERT (
                SELECT count(*) = 8 AND bool_and(attstorage = 'm') FROM pg_attribute
                JOIN pg_class ON pg_class.oid = attrelid
                WHERE relkind = 'r' AND relname LIKE 'document%' AND atttypid = 'text[]'::regtype
                AND relnamespace = 'yetan_search'::regnamespace
            );
        END $$
        """,
    )
