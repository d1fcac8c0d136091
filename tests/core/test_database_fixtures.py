"""The databases that tests are given."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.postgresql import Copies, execute, migrate

from yetan.db.comparison import compare
from yetan.db.connection import CORE_APPLICATION, Application, connected, is_postgres
from yetan.db.statements import fetch
from yetan.people.models import Person


def test_a_fresh_database_has_exactly_the_models_schema(database_url: str) -> None:
    async def run() -> list[str]:
        async with connected(database_url, [CORE_APPLICATION]):
            assert is_postgres() == database_url.startswith("postgresql")
            assert await Person.all().count() == 0
            return await compare()

    assert asyncio.run(run()) == []


@pytest.mark.postgresql
def test_a_copy_is_lent_as_the_template_is_whatever_was_done_to_it(
    postgresql_copies: Copies, migrated_template: Callable[[str, Sequence[Application]], str]
) -> None:
    template = migrated_template("postgresql", [CORE_APPLICATION])

    async def add_person(url: str) -> tuple[int, int]:
        async with connected(url, [CORE_APPLICATION]):
            person = await Person.create(name="柳三变", created_at=datetime(2026, 5, 6, tzinfo=UTC))
            migrations = await fetch("SELECT count(*) AS number FROM tortoise_migrations")
            return person.id, migrations[0]["number"]

    with postgresql_copies.lent(template) as first:
        added = asyncio.run(add_person(first))
    with postgresql_copies.lent(template) as second:
        assert second == first
        assert asyncio.run(add_person(second)) == added
        execute(second, "ALTER TABLE yetan_person ALTER name DROP NOT NULL")
    with postgresql_copies.lent(template) as third:
        assert third != second
        assert asyncio.run(add_person(third)) == added


def test_another_version_can_make_the_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make previous` stands on: the last version's tests on the schema of the next (F06)."""
    newer = tmp_path / "python"
    newer.write_text('#!/bin/sh\necho "$@" "$YETAN_DATABASE_URL" > said\necho "the disk is full" >&2\nexit $ENDS\n')
    newer.chmod(0o700)
    monkeypatch.setenv("YETAN_TEST_UPGRADE_WITH", str(newer))
    monkeypatch.setenv("ENDS", "0")
    plugin = Application("yetan_supervision", "not.here", "not.here")
    migrate("sqlite:///nowhere", tmp_path, [CORE_APPLICATION, plugin])
    assert (tmp_path / "said").read_text() == "-m yetan db upgrade --config yetan.toml sqlite:///nowhere\n"
    assert tomllib.loads((tmp_path / "yetan.toml").read_text())["plugins"] == ["supervision"]
    monkeypatch.setenv("ENDS", "1")
    with pytest.raises(AssertionError, match=r"(?s)cannot upgrade sqlite:///nowhere:.*the disk is full"):
        migrate("sqlite:///nowhere", tmp_path, [CORE_APPLICATION])
