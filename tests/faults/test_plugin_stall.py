"""A plugin that keeps a process to itself: noticed within seconds, put into quarantine, the process replaced (F19).

One that never lets it start: the start ends and names it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from tests.faults.served import PATIENCE, ServedTown, until
from tests.plugins import faulty

from yetan.db.connection import CORE_APPLICATION
from yetan.db.upgrade import upgrade
from yetan.plugins.quarantine import LOOK
from yetan.supervising import AGAIN, BEAT, SILENCE

PLUGIN = "faulty_hanging_sync"


@pytest.fixture
def stalling(tmp_path: Path, empty_database_url: str) -> ServedTown:
    """A town with the plugin installed and switched on, on a database that several processes may use."""
    town = ServedTown(tmp_path, empty_database_url)
    install(town, PLUGIN)
    asyncio.run(upgrade(town.town.configuration, (CORE_APPLICATION,), lambda line: None))
    town.found()
    path = tmp_path / "yetan.toml"
    path.write_text(path.read_text().replace("plugins = [", f'plugins = ["{PLUGIN}", '))
    return town


def install(town: ServedTown, plugin: str) -> None:
    """A distribution with the plugin, found by the processes of this town alone."""
    installed = town.folder / "site" / "faulty-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    module = faulty.ENTRY_POINTS[plugin].value
    (installed / "entry_points.txt").write_text(f"[yetan.plugins]\n{plugin} = {module}\n")
    town.environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{installed.parent}"


def test_it_is_noticed_within_five_seconds() -> None:
    """From the last beat: the silence, then two looks at the stack, each at the next beat at the latest."""
    assert SILENCE + BEAT + 2 * AGAIN + BEAT <= 5


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_loop_that_a_plugin_holds_is_replaced_while_the_other_process_answers(stalling: ServedTown) -> None:
    first = stalling.serve("--no-worker", wait=False)
    second = stalling.serve("--no-worker", wait=False)
    try:
        for process in (first, second):
            until(f"{process.address} serves", process.ready, 180)
        held = first.children
        begun = time.monotonic()
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{first.address}/", timeout=1)
        answers = 0
        while "is replaced" not in first.said:
            assert httpx2.get(f"{second.address}/healthz", timeout=5).status_code == 200
            answers += 1
            assert time.monotonic() - begun < 60
            time.sleep(0.05)
        assert answers > 5
        until("another process answers", first.ready, 180)
        assert first.children != held
        # What it was, in words: how long, where, and that it is in quarantine, in the other process too.
        assert "hanging_sync/__init__.py" in first.said
        assert f"plugin {PLUGIN} is in quarantine after event loop" in first.said
        assert httpx2.get(f"{first.address}/", timeout=30).status_code == 200
        time.sleep(2 * LOOK)  # A page asked of the other process before its next look would hold that one as well.
        assert httpx2.get(f"{second.address}/", timeout=30).status_code == 200
        assert second.said.count("is replaced") == 0
    finally:
        stalling.stop()


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_worker_by_itself_is_watched_and_replaced_as_well(stalling: ServedTown) -> None:
    worker = stalling.work()
    try:
        until("the worker is replaced", lambda: "is replaced" in worker.said)
        assert "hanging_sync/__init__.py" in worker.said
        until("in quarantine", lambda: f"plugin {PLUGIN} is in quarantine after event loop" in worker.said)
        stalling.rows("DELETE FROM yetan_job_run")
        done = "SELECT job FROM yetan_job_run WHERE finished_at IS NOT NULL"
        until("the jobs of others are done again", lambda: ("core.forget",) in stalling.rows(done))
        assert worker.stop() == 0
    finally:
        stalling.stop()


#: The command, with a parent that has less patience.
IMPATIENT = """
import sys
from yetan import supervising
supervising.START = 1.0
sys.exit(supervising.supervise([sys.executable, "-m", "yetan", *sys.argv[1:]]))"""


def test_a_start_that_an_import_holds_up_ends_and_names_the_plugin(tmp_path: Path) -> None:
    town = ServedTown(tmp_path, f"sqlite://{tmp_path}/yetan.sqlite3")
    install(town, "faulty_hanging_import")
    configuration = tmp_path / "yetan.toml"
    kinds = '[unit_kinds.city]\nlabel = "市"\n'
    configuration.write_text(f'plugins = ["faulty_hanging_import"]\n[city]\nname = "柳湾市"\n{kinds}', encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "serve", "--config", str(configuration)],
        env=town.variables(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert said.returncode == 2, said.stderr
    assert "启动不了：插件 faulty_hanging_import 占住启动过程" in said.stderr
    assert 'hanging_import.py", line 5 in <module>' in said.stderr
    assert "--safe-mode" in said.stderr
