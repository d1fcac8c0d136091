"""What `yetan check` finds: each thing is damaged once, named by the check, and mended where it can be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.postgresql import copied
from tortoise.transactions import in_transaction

from yetan.audit.sealing import seal
from yetan.audit.service import record
from yetan.db.connection import CORE_APPLICATION, Application, is_postgres, sqlite_path
from yetan.db.statements import execute, fetch
from yetan.files.models import Attachment
from yetan.files.orphans import sweep
from yetan.files.service import StoredPhoto, attach
from yetan.health import checks, inspect, repair
from yetan.health.findings import Findings
from yetan.health.snapshot import snapshot
from yetan.issues.acceptance import give_feedback, rate
from yetan.issues.models import Issue
from yetan.issues.service import add_progress
from yetan.plugins.declarations import Health
from yetan.publication.service import approve
from yetan.runtime import current
from yetan.search import SearchDocument, SearchPage, SearchQuery, SearchUnavailable
from yetan.searching import feed
from yetan.testing import Town


class Shelf:
    """An index that holds keys alone."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.broken = False

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""

    def learn(self, vocabulary: object) -> None:
        """It knows no words."""

    async def due(self) -> str:
        return ""

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        self.held -= set(deletes)
        self.held |= {document.key for document in upserts}

    async def search(self, query: SearchQuery) -> SearchPage:
        return SearchPage((), 0)

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        self.held = {document.key async for document in documents}
        self.broken = False
        return len(self.held)

    async def count(self) -> int:
        return len(self.held)

    async def keys(self) -> frozenset[str]:
        if self.broken:
            raise SearchUnavailable("damaged")
        return frozenset(self.held)

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        return ((text, False),)


@dataclass(frozen=True)
class WorkedAt:
    """A town with an issue in handling, one that waits for acceptance, and one on the board. For copying alone."""

    url: str
    folder: Path
    #: What its index holds.
    held: frozenset[str]


@pytest.fixture(scope="module")
def worked_at(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    founded_template: Callable[[str, Sequence[Application], Mapping[str, Any]], str],
) -> Callable[[str], WorkedAt]:
    """Such a town on each kind of database, made at the first call."""

    @cache
    def made(kind: str) -> WorkedAt:
        folder = tmp_path_factory.mktemp("worked-at")
        founded = founded_template(kind, (CORE_APPLICATION,), {})
        url = f"sqlite://{folder}/yetan.sqlite3"
        if kind == "sqlite":
            shutil.copy(sqlite_path(founded), sqlite_path(url))
        else:
            url = copied(request.getfixturevalue("postgresql_url"), founded)
        with Town(url, folder).open() as town:
            shelf = shelf_in(town)
            work_at(town)
        return WorkedAt(url, folder, frozenset(shelf.held))

    return made


@pytest.fixture
def town_database_url(
    worked_at: Callable[[str], WorkedAt],
    database_kind: str,
    copy_of: Callable[[str], AbstractContextManager[str]],
    tmp_path: Path,
) -> Iterator[str]:
    """A copy of the town that was worked at, its files with it."""
    made = worked_at(database_kind)
    shutil.copytree(made.folder / "var", tmp_path / "var")
    with copy_of(made.url) as url:
        yield url


@pytest.fixture
def shelf(town: Town, worked_at: Callable[[str], WorkedAt], database_kind: str) -> Shelf:
    """The town's index."""
    shelf = shelf_in(town)
    shelf.held |= worked_at(database_kind).held
    return shelf


def shelf_in(town: Town) -> Shelf:
    """The town's index from now on, empty."""
    shelf = Shelf()

    async def put() -> None:
        city = current()
        city.search = shelf
        feeding = feed.subscription("core", list(city.registry.search_sources.values()))
        city.registry.subscriptions = {**city.registry.subscriptions, feeding.name: feeding}

    town.do(put)
    return shelf


def work_at(town: Town) -> None:
    """Let the issues be raised and moved."""
    town.move(town.report(title="路灯"), "list", by="clerk")
    resolved = town.report(title="老桥", kind="problem", collective=True)
    town.move(resolved, "settle", by="village")

    async def go_on() -> None:
        await give_feedback(await town.act("village"), resolved.id, {"way": "posted", "text": "已经公示。"})
        await rate(await town.act("resident"), resolved.id, "satisfied")
        await approve(await town.act("publisher"), resolved.id)
        await approve(await town.act("publisher"), 1)
        name = current().files.save(b"a picture", ".jpg")
        await attach(await town.act("clerk"), "issue", 1, [StoredPhoto(name, "", "image/jpeg", 8, 8)])
        await record(await town.act("clerk"), "issue.view", "Issue:1")
        await add_progress(await town.act("deputy", key="once"), 1, "照明所明天来。")

    town.do(go_on)
    town.run_worker()
    town.do(seal)


def faults(lines: Iterable[Health]) -> dict[str, str]:
    """What is wrong by the check's name, besides what this town leaves out."""
    return {line.name: line.message for line in lines if not line.ok and line.name != "footer"}


def found(town: Town) -> dict[str, str]:
    async def look() -> list[Health]:
        return await inspect(current())

    return faults(town.do(look))


def mended(town: Town) -> list[str]:
    said: list[str] = []

    async def go() -> None:
        await repair(current(), said.append)

    town.do(go)
    return said


def run(town: Town, *statements: str) -> None:
    async def go() -> None:
        for statement in statements:
            await execute(statement)

    town.do(go)


def test_a_city_that_works_has_nothing_to_mend(town: Town, shelf: Shelf) -> None:
    assert found(town) == {}
    assert mended(town) == []
    assert found(town) == {}


_LISTED = "SELECT min(id) FROM yetan_event WHERE type = 'issue.list'"
#: What the check is called, the damage, and a part of what is said.
DAMAGES = (
    ("schema", "DROP INDEX yetan_issue_state", "yetan_issue"),
    ("foreign keys", "UPDATE yetan_issue SET owner_id = 999 WHERE id = 1", "yetan_issue"),
    ("foreign keys", "UPDATE yetan_rating SET person_id = 999", "yetan_rating"),
    ("references", "UPDATE yetan_remark SET event_id = 9999 WHERE id = 1", "yetan_remark.event_id = 9999"),
    ("references", "UPDATE yetan_attachment SET subject_id = 777", "yetan_attachment.subject_id = 777"),
    ("references", "DELETE FROM yetan_issue WHERE id = 1", "yetan_event.subject_id = 1"),
    ("units", "DELETE FROM yetan_unit", "0 个单位"),
    ("unit tree", "DELETE FROM yetan_unit_ancestor WHERE unit_id = 4 AND ancestor_id = 3", "1 个单位"),
    ("unit tree", "UPDATE yetan_unit SET parent_id = 5 WHERE id = 4", "（id）：4"),
    ("unit tree", "UPDATE yetan_unit SET parent_id = id WHERE id = 4", "（id）：4"),
    ("states", "UPDATE yetan_issue SET state = 'lost' WHERE id = 1", "lost"),
    (
        "history",
        "UPDATE yetan_issue SET state = 'struck_off' WHERE id = 1",
        "26-1（现在是 struck_off，经过停在 listed）",
    ),
    ("history", "DELETE FROM yetan_event WHERE type = 'issue.reported' AND subject_id = 1", "26-1（没有提出的事件）"),
    ("history", "DELETE FROM yetan_event WHERE type = 'issue.settle'", "26-2（现在是 resolved，经过停在 reported）"),
    (
        "history",
        "UPDATE yetan_event SET data = '{}' WHERE type = 'issue.list'",
        "26-1（现在是 listed，经过停在 reported）",
    ),
    ("history", "DELETE FROM yetan_rating", "26-2（issue.rated 的行数和事件数不同）"),
    ("history", "DELETE FROM yetan_feedback", "26-2（issue.feedback 的行数和事件数不同）"),
    ("visibility", "DELETE FROM yetan_issue_scope WHERE issue_id = 2 AND unit_id = 1", "26-2"),
    ("idempotency keys", "UPDATE yetan_request_key SET result_id = NULL", "1 个没有结果"),
    (
        "events",
        f"DELETE FROM yetan_delivery WHERE subscriber = 'core.board' AND event_id = ({_LISTED})",
        "core.board 缺事件",
    ),
    ("dead deliveries", f"UPDATE yetan_delivery SET state = 'dead' WHERE event_id = ({_LISTED})", "多次失败后放弃"),
    ("board", "UPDATE yetan_public_issue SET title = '改过' WHERE issue_id = 2", "1 件对不上：26-2"),
    ("board", "DELETE FROM yetan_public_issue WHERE issue_id = 2", "1 件对不上：26-2"),
    ("board", "DELETE FROM yetan_public_issue_scope WHERE issue_id = 1 AND unit_id = 1", "1 件对不上：26-1"),
    ("board", "UPDATE yetan_public_issue_scope SET state = 'declined' WHERE issue_id = 1", "1 件对不上：26-1"),
    ("board", "UPDATE yetan_publication SET state = 'withdrawn' WHERE subject_id = 2", "1 件对不上：26-2"),
    ("figures", "UPDATE yetan_counter SET value = value + 1 WHERE unit_id = 1 AND period = ''", "issues.raised 单位 1"),
    ("figures", "DELETE FROM yetan_counter", "个数字对不上"),
    ("audit chain", "UPDATE yetan_audit_record SET actor = 'nobody' WHERE number = 1", "第 1 条"),
    ("uploads", "UPDATE yetan_attachment SET stored_name = 'ab/cd/gone.jpg'", "附件 1（issue 1）"),
    ("search index", "DELETE FROM yetan_issue WHERE id = 2", "多 issue:2"),
)


class _Undone(Exception):  # noqa: N818 - it is no error
    pass


def test_each_damage_is_named_where_it_is(town: Town, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody changes tables with the database's own guards switched off. Each change is taken back again."""
    monkeypatch.setattr("yetan.health.inspection.snapshot", nullcontext)  # the damage is in a transaction already

    async def after(statement: str) -> dict[str, str]:
        lines: list[Health] = []
        if not is_postgres():
            await execute("PRAGMA foreign_keys = OFF")
        with suppress(_Undone):
            async with in_transaction():
                if is_postgres():
                    await execute("SET LOCAL session_replication_role = replica")
                else:
                    for row in await fetch("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                        await execute(f"DROP TRIGGER {row['name']}")
                assert await execute(statement) or statement.startswith("DROP"), f"{statement} changes nothing"
                lines = await inspect(current())
                raise _Undone
        if not is_postgres():
            await execute("PRAGMA foreign_keys = ON")
        return faults(lines)

    unnamed = {}
    for name, statement, said in DAMAGES:
        lines = town.run(after(statement))
        if said not in lines.get(name, ""):
            unnamed[statement] = lines
    assert unnamed == {}
    assert found(town) == {}, "all was taken back"


def test_of_a_badly_damaged_city_as_much_is_told_as_can_be(town: Town, shelf: Shelf) -> None:
    run(town, "DROP TABLE yetan_rating", "UPDATE yetan_counter SET value = value + 1 WHERE unit_id = 1")
    lines = found(town)
    assert {"schema", "history", "figures"} <= set(lines)
    assert "查不下去" in lines["history"]
    assert "yetan_rating" in lines["schema"]


def test_what_can_be_computed_anew_is_mended(town: Town, shelf: Shelf) -> None:
    run(
        town,
        "UPDATE yetan_public_issue SET title = '改过' WHERE issue_id = 2",
        "DELETE FROM yetan_public_issue_scope WHERE issue_id = 1 AND unit_id = 1",
        "UPDATE yetan_counter SET value = value + 3 WHERE unit_id = 1",
        "DELETE FROM yetan_counter WHERE unit_id = 4",
        "DELETE FROM yetan_issue_scope WHERE issue_id = 2 AND unit_id = 1",
    )
    shelf.held -= {"issue:1"}
    shelf.held |= {"issue:99"}
    assert set(found(town)) == {"board", "figures", "visibility", "search index"}
    said = mended(town)
    assert [line.partition("：")[0] for line in said] == ["可见范围", "公开板", "统计数字", "搜索索引"]
    assert found(town) == {}
    town.run_worker()
    assert found(town) == {}
    assert mended(town) == []


def test_what_only_a_backup_can_bring_back_is_not_touched(town: Town, shelf: Shelf) -> None:
    run(town, "UPDATE yetan_issue SET state = 'struck_off' WHERE id = 1", "DELETE FROM yetan_rating")
    before = found(town)["history"]
    mended(town)
    assert found(town)["history"] == before


def test_a_board_and_an_index_that_wait_for_a_worker_are_not_called_damaged(town: Town, shelf: Shelf) -> None:
    town.report(title="新的一件")
    town.run(approve_first(town))
    town.move(town.reload(town.run(issue_of("26-1"))), "start", by="deputy")
    assert found(town) == {}
    lines = {line.name: line.message for line in town.do(_all)}
    assert "等着更新" in lines["board"]
    assert "等着写入" in lines["search index"]
    town.clock.forward(minutes=10)
    assert set(found(town)) == {"late deliveries"}
    town.run_worker()
    assert found(town) == {}


async def _all() -> list[Health]:
    return await inspect(current())


async def approve_first(town: Town) -> None:
    await approve(await town.act("publisher"), 1)


async def issue_of(number: str) -> Issue:
    return await Issue.get(number=number)


def test_what_waits_for_a_plugin_that_is_off_is_told_and_is_no_fault(town: Town, shelf: Shelf) -> None:
    run(
        town,
        "UPDATE yetan_delivery SET state = 'pending', subscriber = 'gone.plugin' WHERE subscriber = 'core.notices'",
    )
    town.clock.forward(days=1)
    lines = town.do(_all)
    assert {line.name: line.ok for line in lines}["late deliveries"]
    assert next(line for line in lines if "switched off" in line.name).message != "0 条等着停用的插件重新启用"


def test_an_index_that_cannot_be_read_is_rebuilt(town: Town, shelf: Shelf) -> None:
    shelf.broken = True
    assert found(town) == {"search index": "读不了：damaged"}
    assert mended(town) == ["搜索索引：重建了，现在有 4 条。"]
    assert found(town) == {}


def test_files_that_no_row_names_go_after_a_day_and_running_uploads_stay(town: Town, shelf: Shelf) -> None:
    """A process died between storing and committing; another is just between the two."""

    async def store(age: timedelta) -> Path:
        files = current().files
        path = files.root / files.save(b"left behind", ".jpg")
        at = (town.clock() - age).timestamp()
        os.utime(path, (at, at))
        return path

    async def sweep_now() -> int:
        return await sweep(current().system_act())

    async def named() -> Path:
        row = await Attachment.get()
        path = current().files.root / row.stored_name
        os.utime(path, (0, 0))
        return path

    old, recent, kept = town.run(store(timedelta(days=3))), town.run(store(timedelta(minutes=1))), town.do(named)
    half = old.with_name(".half.part")
    half.write_bytes(b"")
    os.utime(half, (0, 0))
    assert list(found(town)) == ["uploads left behind"]
    assert town.do(sweep_now) == 2
    assert (old.exists(), half.exists(), recent.exists(), kept.exists()) == (False, False, True, True)
    assert found(town) == {}
    town.clock.forward(days=1, hours=1)
    town.run_worker()  # the daily job
    assert (recent.exists(), kept.exists()) == (False, True)


def test_no_more_than_a_few_places_are_kept_of_a_thousand() -> None:
    places = Findings()
    places.extend(range(1000))
    line = places.health("name", "fine", "{} wrong", "mend")
    assert line.message == "1000 wrong：0、1、2、3、4 等"
    assert Findings().health("name", "fine", "{} wrong", "mend") == Health("name", True, "fine")


def test_the_page_s_checks_compare_no_contents(town: Town, shelf: Shelf) -> None:
    """They count: a page has not the time for more."""
    run(town, "UPDATE yetan_public_issue SET title = '改过' WHERE issue_id = 2")

    async def look() -> list[Health]:
        return await checks(current())

    assert faults(town.do(look)) == {}
    run(town, "DELETE FROM yetan_public_issue WHERE issue_id = 2")
    assert set(faults(town.do(look))) == {"board"}


def test_a_snapshot_holds_still_while_others_write(town: Town, shelf: Shelf, town_database_url: str) -> None:
    """Counting the board and its figures takes a while: what is published meanwhile is seen in both or in neither."""
    if not town_database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL's REPEATABLE READ is its own; this is about our own way on SQLite")

    async def go() -> tuple[int, int, int]:
        async with snapshot():
            before = await Issue.all().count()
            with closing(sqlite3.connect(sqlite_path(town_database_url), timeout=1)) as other, other:
                other.execute("DELETE FROM yetan_issue_link")
                other.execute("UPDATE yetan_issue SET title = '别人改的'")
            seen = await Issue.filter(title="别人改的").count()
        return before, seen, await Issue.filter(title="别人改的").count()

    assert town.do(go) == (2, 0, 2)
