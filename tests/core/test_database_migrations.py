"""Writing migrations, and the suite's own manners without PostgreSQL."""

from __future__ import annotations

import asyncio
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from tests import postgresql
from tests.children import in_child
from tortoise import fields
from tortoise.migrations.operations import AddField, RemoveField

from yetan.db import make_migrations
from yetan.db.connection import CORE_APPLICATION, Application
from yetan.db.make_migrations import missing_migrations, unsafe_operations

ROOT = Path(__file__).parents[2]

MODELS = '''
from tortoise import fields
from tortoise.models import Model

class Bench(Model):
    """A bench; people sit on it."""
    number = fields.IntField(primary_key=True, generated=False)
    #: Where it stands; roughly.
    place = fields.CharField(max_length=20)
    class Meta:
        app = "benches"
        table = "benches_bench"
'''


def test_the_core_has_a_migration_for_all_its_models_say() -> None:
    writers = asyncio.run(missing_migrations([CORE_APPLICATION], "yetan"))
    assert [operation.describe() for writer in writers for operation in writer.operations] == []


@pytest.fixture
def benches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin's package with models and no migrations yet."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "benches"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODELS)
    application = Application("benches", "benches.models", "benches.migrations")
    monkeypatch.setattr(make_migrations, "find_applications", lambda label: (application,))
    forget()
    yield package
    forget()


def forget() -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "benches"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def run_command(*arguments: str) -> int:
    forget()
    return make_migrations.main([*arguments, "--app", "benches"])


def test_the_command_writes_named_migrations(benches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("initial") == 0
    first = (benches / "migrations" / "0001_initial.py").read_text()
    assert "generated=False" in first
    assert run_command("again") == 0
    assert "the migrations give what the models say" in capsys.readouterr().out

    models = (benches / "models.py").read_text()
    (benches / "models.py").write_text(models.replace("max_length=20", "max_length=40"))
    assert run_command("longer places") == 0
    assert "AlterField" in (benches / "migrations" / "0002_longer_places.py").read_text()

    assert run_command("initial", "--anew") == 0
    assert [path.name for path in (benches / "migrations").glob("0*.py")] == ["0001_initial.py"]
    assert "max_length=40" in (benches / "migrations" / "0001_initial.py").read_text()


def test_rewording_a_comment_needs_no_migration(benches: Path) -> None:
    run_command("initial")
    assert "roughly" not in (benches / "migrations" / "0001_initial.py").read_text()
    assert "people sit" not in (benches / "migrations" / "0001_initial.py").read_text()
    reworded = MODELS.replace("Where it stands; roughly.", "Its place.").replace("people sit", "cats sleep")
    (benches / "models.py").write_text(reworded)
    run_command("reworded")
    assert [path.name for path in (benches / "migrations").glob("0*.py")] == ["0001_initial.py"]


def test_a_column_that_filled_tables_cannot_take_is_refused(benches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command("initial")
    (benches / "models.py").write_text(
        MODELS.replace("    class Meta:", '    colour = fields.CharField(max_length=9, default="")\n    class Meta:')
    )
    assert run_command("colours") == 1
    assert "Bench.colour is added NOT NULL without db_default" in capsys.readouterr().err
    assert [path.name for path in (benches / "migrations").glob("0*.py")] == ["0001_initial.py"]


def test_what_loses_values_is_refused() -> None:
    number = fields.IntField(null=True)
    (line,) = unsafe_operations(
        [RemoveField("Bench", "number"), AddField("Bench", "number", number), RemoveField("Bench", "place")]
    )
    assert line.startswith("Bench.number is removed and added again")


def without_postgresql(required: str) -> str:
    """What a run of the suite says on a machine without PostgreSQL's programs, and the code it ends with."""
    postgresql.find_programs = lambda: None
    os.environ["YETAN_REQUIRE_POSTGRESQL"] = required
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main([f"{ROOT}/tests/core/test_database_fixtures.py", "-q", "-k", "postgresql", "-s"])
    return f"{int(code)}\n{said.getvalue()}"


@pytest.mark.parametrize(
    ("required", "code", "said"), [("", 0, "SKIPPED POSTGRESQL: "), ("1", 4, "YETAN_REQUIRE_POSTGRESQL=1, but ")]
)
def test_without_postgresql_the_suite_says_so_aloud(required: str, code: int, said: str) -> None:
    ended, output = in_child(lambda: without_postgresql(required))
    assert (ended, output.partition("\n")[0]) == (0, str(code)), output
    assert said in output
    assert "install Debian package postgresql" in output
