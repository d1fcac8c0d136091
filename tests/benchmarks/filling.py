"""Writing a city's issues straight into the tables, set-wise: a million in minutes.

What the services would have written stands there: issues with their scopes, raisers and events, deliveries that are
done, approved publications, the board's rows and the counters. `yetan check` finds nothing wrong with it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from typing import Any, Protocol, cast

import asyncpg
from tests.benchmarks.city import City, build
from tests.benchmarks.issues import Invented, invented
from tests.soak.city import at_work
from tortoise.models import Model

from yetan.app import assemble
from yetan.db.connection import is_postgres, sqlite_path
from yetan.db.statements import fetch
from yetan.events.models import Delivery, Event, Subject
from yetan.events.models import Sequence as Numbers
from yetan.health.inspection import inspect
from yetan.issues.fingerprint import fingerprint_of
from yetan.issues.models import Issue, IssueScope, Raiser
from yetan.people.models import Person
from yetan.plugins.declarations import Health
from yetan.publication.models import Publication, PublicIssue, PublicIssueScope
from yetan.runtime import current
from yetan.statistics.models import Counter
from yetan.statistics.service import figures_of
from yetan.testing import Town

_CHUNK = 5000
#: So many issues have one resident more between them.
_ISSUES_PER_PERSON = 3
#: Whose rows are written.
MODELS: tuple[type[Model], ...] = (
    Person, Issue, Raiser, IssueScope, Event, Delivery, Subject, Publication, PublicIssue, PublicIssueScope, Counter,
    Numbers,
)  # fmt: skip


class Columns:
    """The columns of a model's rows that are given, and what stands in all others of a new row.

    Asked for once the models are known to the database: only then have they the columns of their foreign keys.
    """

    def __init__(self, model: type[Model], *given: str) -> None:
        self.table = model._meta.db_table
        self._model = model
        self._given = given

    @cached_property
    def names(self) -> list[str]:
        """The columns' names in the database."""
        return [self._model._meta.fields_db_projection[name] for name in (*self._given, *self._others)]

    def row(self, *values: Any) -> tuple[Any, ...]:
        """A row of what is given."""
        return (*values, *self._rest)

    @cached_property
    def _others(self) -> list[str]:
        meta = self._model._meta
        made = {meta.pk_attr} if meta.pk.generated else set()
        return [name for name in meta.fields_db_projection if name not in made.union(self._given)]

    @cached_property
    def _rest(self) -> tuple[Any, ...]:
        return tuple(_default(self._model._meta.fields_map[name], self._model) for name in self._others)


def _default(field: Any, model: type[Model]) -> Any:
    value = field.default() if callable(field.default) else field.default
    return field.to_db_value(value, model)


class Writer(Protocol):
    """A database that is written to past the services."""

    async def rows(self, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows."""

    async def execute(self, statement: str) -> None:
        """Run a statement that both databases take."""


class _SqliteWriter:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        names = ", ".join(f'"{name}"' for name in columns.names)
        marks = ", ".join("?" * len(columns.names))
        self._connection.executemany(f'INSERT INTO "{columns.table}" ({names}) VALUES ({marks})', rows)

    async def execute(self, statement: str) -> None:
        self._connection.execute(statement)


class _PostgresWriter:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, columns: Columns, rows: Sequence[tuple[Any, ...]]) -> None:
        await self._connection.copy_records_to_table(columns.table, records=rows, columns=columns.names)

    async def execute(self, statement: str) -> None:
        await self._connection.execute(statement)


async def fill(town: Town, count: int, seed: int = 1, *, counties: int = 4) -> None:
    """Publish `count` invented issues in the founded town; the same for the same seed."""
    registry = assemble(town.configuration)
    async with at_work(town, registry):
        city = await build(town, counties)
        (last,) = await fetch("SELECT max(id) AS id FROM yetan_event")
        first_event = int(last["id"] or 0) + 1
        rows = invented(city, count, town.clock(), seed)
        if is_postgres():
            await _fill_postgres(town.database_url, city, rows, count, first_event)
        else:
            await _fill_sqlite(town.database_url, city, rows, count, first_event)


async def check(town: Town) -> list[Health]:
    """What `yetan check` finds wrong in the town."""
    async with at_work(town, assemble(town.configuration)):
        return [line for line in await inspect(current()) if not line.ok]


async def _fill_sqlite(url: str, city: City, issues: Iterable[Invented], count: int, first_event: int) -> None:
    tables = [model._meta.db_table for model in MODELS]
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY", "wal_autocheckpoint=100000"):
            connection.execute(f"PRAGMA {pragma}")
        indexes = connection.execute(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
            f"AND tbl_name IN ({', '.join('?' * len(tables))})",
            tables,
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute("BEGIN")
        await _write(_SqliteWriter(connection), city, issues, count, first_event)
        for _, made in indexes:
            connection.execute(made)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_POSTGRES_INDEXES = """
SELECT index.relname AS name, pg_get_indexdef(index.oid) AS sql FROM pg_index held
JOIN pg_class index ON index.oid = held.indexrelid JOIN pg_class filled ON filled.oid = held.indrelid
WHERE filled.relname = ANY($1) AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = index.oid)"""


async def _fill_postgres(url: str, city: City, issues: Iterable[Invented], count: int, first_event: int) -> None:
    tables = [model._meta.db_table for model in MODELS]
    connection = await asyncpg.connect(url)
    try:
        # Foreign keys are not asked row by row: the rows come from one place, and `check` looks at them all.
        for setting in ("session_replication_role = replica", "maintenance_work_mem = '512MB'", "work_mem = '128MB'"):
            await connection.execute(f"SET {setting}")
        async with connection.transaction():
            indexes = await connection.fetch(_POSTGRES_INDEXES, tables)
            for index in indexes:
                await connection.execute(f'DROP INDEX "{index["name"]}"')
            await _write(_PostgresWriter(connection), city, issues, count, first_event)
            for index in indexes:
                await connection.execute(index["sql"])
            for table in (model._meta.db_table for model in MODELS if model._meta.pk.generated):
                await connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


_ISSUE = Columns(
    Issue, "id", "number", "fingerprint", "kind", "collective", "title", "text", "place", "category_id", "unit_id",
    "responsible_unit_id", "owner_id", "state", "version", "measures", "outcome", "raised_at", "listed_at", "deadline",
    "resolved_at", "struck_off_at", "historical",
)  # fmt: skip
_EVENT = Columns(
    Event, "id", "type", "subject_kind", "subject_id", "at", "actor", "audience", "historical", "data"
)  # fmt: skip
_PUBLICATION = Columns(
    Publication, "subject_kind", "subject_id", "state", "pending", "draft", "approved", "prepared_at", "approved_at"
)
_PUBLIC_ISSUE = Columns(
    PublicIssue, "issue_id", "number", "title", "text", "place", "measures", "outcome", "state", "kind", "collective",
    "unit_id", "unit_name", "responsible_unit_name", "category_id", "category_path", "top_category_id", "raised_at",
    "raised_precision", "listed_at", "deadline", "resolved_at", "struck_off_at", "updated_at", "raisers", "timeline",
    "counted",
)  # fmt: skip
_PERSON = Columns(Person, "id", "name", "unit_id", "created_at")
_COUNTER = Columns(Counter, "metric", "unit_id", "category_id", "period", "value")
_NUMBERS = Columns(Numbers, "name", "value")
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"

#: What follows from the rows of issues and board; `{person}` is the id of the first invented resident.
_FOLLOWING = (
    """INSERT INTO yetan_issue_scope (raised_at, issue_id, unit_id)
    SELECT issue.raised_at, issue.id, line.ancestor_id FROM yetan_issue issue
    JOIN yetan_unit_ancestor line ON line.unit_id = issue.unit_id ORDER BY issue.id, line.ancestor_id""",
    """INSERT INTO yetan_public_issue_scope (raised_at, issue_id, unit_id, state)
    SELECT scope.raised_at, scope.issue_id, scope.unit_id, issue.state FROM yetan_issue_scope scope
    JOIN yetan_issue issue ON issue.id = scope.issue_id ORDER BY scope.id""",
    """INSERT INTO yetan_raiser (at, issue_id, person_id)
    SELECT raised_at, id, {person} + CAST(id AS bigint) * 7919 % {persons} FROM yetan_issue ORDER BY id""",
    """INSERT INTO yetan_delivery
    (subscriber, subject_kind, subject_id, state, attempts, due_at, lease_until, error, event_id)
    SELECT subscriber.name, event.subject_kind, event.subject_id, 'done', 0, event.at, NULL, '', event.id
    FROM yetan_event event CROSS JOIN ({subscribers}) subscriber
    WHERE event.id >= {event} ORDER BY event.id, subscriber.name""",
    """INSERT INTO yetan_subject (subject_kind, subject_id) SELECT 'issue', id FROM yetan_issue ORDER BY id""",
)


async def _write(writer: Writer, city: City, issues: Iterable[Invented], count: int, first_event: int) -> None:
    person, persons = city.resident + 1, count // _ISSUES_PER_PERSON + 1
    counted: Tally[tuple[Any, ...]] = Tally()
    numbers: dict[int, int] = {}
    event = first_event
    rows = iter(issues)
    last: Invented | None = None
    while chunk := list(islice(rows, _CHUNK)):
        events = list(_events(chunk, event))
        event += len(events)
        keys = [figures_of(cast(Any, issue), issue.unit.line) for issue in chunk]
        for each in keys:
            counted.update(each)
        for issue in chunk:
            numbers[issue.raised_at.year] = int(issue.number.partition("-")[2])
        await writer.rows(_ISSUE, [_issue_row(issue, city.owner) for issue in chunk])
        await writer.rows(_EVENT, events)
        await writer.rows(_PUBLICATION, [_publication_row(issue) for issue in chunk])
        await writer.rows(_PUBLIC_ISSUE, [_public_row(issue, key) for issue, key in zip(chunk, keys, strict=True)])
        last = chunk[-1]
    assert last is not None
    await writer.rows(
        _PERSON,
        [
            _PERSON.row(person + each, f"{_SURNAMES[each % 20]}{'某' * (1 + each % 2)}", last.unit.id, last.raised_at)
            for each in range(persons)
        ],
    )
    await writer.rows(_COUNTER, [_COUNTER.row(*key, value) for key, value in sorted(counted.items())])
    await writer.rows(_NUMBERS, [_NUMBERS.row(f"issue:{year}", value) for year, value in numbers.items()])
    heard = current().registry.subscribers_to("issue.reported", "issue")
    subscribers = " UNION ALL ".join(f"SELECT '{each.name}' AS name" for each in heard if each.historical)
    for statement in _FOLLOWING:
        await writer.execute(
            statement.format(person=person, persons=persons, subscribers=subscribers, event=first_event)
        )


def _issue_row(issue: Invented, owner: int) -> tuple[Any, ...]:
    return _ISSUE.row(
        issue.id, issue.number, fingerprint_of(issue.title, issue.text), issue.kind, issue.collective, issue.title,
        issue.text, issue.place, issue.matter.id, issue.unit.id, issue.unit.id, owner if issue.listed_at else None,
        issue.state, 1 + len(issue.steps), issue.measures, issue.outcome, issue.raised_at, issue.listed_at,
        issue.deadline, issue.resolved_at, issue.struck_off_at, True,
    )  # fmt: skip


def _events(issues: Iterable[Invented], first: int) -> Iterator[tuple[Any, ...]]:
    number = first
    for issue in issues:
        told = f'{{"via": "import", "unit": {issue.unit.id}}}'
        yield _EVENT.row(number, "issue.reported", "issue", issue.id, issue.raised_at, "system", "public", True, told)
        number += 1
        for step in issue.steps:
            told = f'{{"from": "{step.before}", "to": "{step.after}", "round": 1}}'
            yield _EVENT.row(number, step.event, "issue", issue.id, step.at, "system", "public", True, told)
            number += 1


def _publication_row(issue: Invented) -> tuple[Any, ...]:
    face = _json(
        {
            "title": issue.title, "text": issue.text, "place": issue.place, "measures": issue.measures,
            "outcome": issue.outcome, "notes": {}, "photos": [],
        }
    )  # fmt: skip
    draft = f'{face[:-1]}, "source": {face}}}'
    return _PUBLICATION.row("issue", issue.id, "approved", False, draft, face, issue.updated_at, issue.updated_at)


def _public_row(issue: Invented, counted: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    # Of codes, numbers and times alone, so that nothing in them has to be escaped.
    told = [f'{{"at":"{issue.raised_at.isoformat()}","type":"issue.reported","text":""}}'] + [
        f'{{"at":"{step.at.isoformat()}","type":"{step.event}","text":""}}' for step in issue.steps
    ]
    keys = [f'["{metric}",{unit},{category},"{period}"]' for metric, unit, category, period in counted]
    return _PUBLIC_ISSUE.row(
        issue.id, issue.number, issue.title, issue.text, issue.place, issue.measures, issue.outcome, issue.state,
        issue.kind, issue.collective, issue.unit.id, issue.unit.name, issue.unit.name, issue.matter.id,
        issue.matter.path, issue.matter.top, issue.raised_at, "second", issue.listed_at, issue.deadline,
        issue.resolved_at, issue.struck_off_at, issue.updated_at, 1, f"[{','.join(told)}]",
        f"[{','.join(keys)}]",
    )  # fmt: skip
