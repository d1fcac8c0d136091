"""A plugin that keeps a process to itself: noticed within seconds, put into quarantine, the process replaced (F19)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2
import pytest
from tests.faults.served import ServedTown, until

from yetan.db.connection import CORE_APPLICATION
from yetan.db.upgrade import upgrade
from yetan.supervising import AGAIN, BEAT, SILENCE

pytestmark = pytest.mark.postgresql

PLUGIN = "faulty_hanging_sync"


@pytest.fixture
def stalling(tmp_path: Path, empty_database_url: str) -> ServedTown:
    """A town with the plugin installed and switched on, on a database that several processes may use."""
    installed = tmp_path / "site" / "faulty-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        f"[yetan.plugins]\n{PLUGIN} = tests.plugins.faulty.hanging_sync:plugin\n"
    )
    town = ServedTown(tmp_path, empty_database_url)
    asyncio.run(upgrade(town.town.configuration, (CORE_APPLICATION,), lambda line: None))
    town.found()
    path = tmp_path / "yetan.toml"
    path.write_text(path.read_text().replace("plugins = [", f'plugins = ["{PLUGIN}", '))
    town.environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{tmp_path / 'site'}"
    return town


def test_it_is_noticed_within_five_seconds() -> None:
    """From the last beat: the silence, then two looks at the stack, each at the next beat at the latest."""
    assert SILENCE + BEAT + 2 * AGAIN + BEAT <= 5


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
        until("the other process knows", lambda: httpx2.get(f"{second.address}/", timeout=30).status_code == 200)
        assert second.said.count("is replaced") == 0
    finally:
        stalling.stop()
