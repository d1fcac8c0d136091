"""A plugin that keeps a process to itself: noticed within seconds, put into quarantine, the process replaced (F19)."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import httpx2
import pytest
from tests.faults.served import ServedTown, free_port, until

from yetan.db.connection import CORE_APPLICATION
from yetan.db.upgrade import upgrade
from yetan.heartbeat import AGAIN, SILENCE

pytestmark = pytest.mark.postgresql

PLUGIN = "faulty_hanging_sync"


@pytest.fixture
def stalling(tmp_path: Path, empty_database_url: str) -> ServedTown:
    """A town with the plugin installed and switched on, on a database that several processes may use."""
    installed = tmp_path / "site" / "faulty-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[yetan.plugins]\n{PLUGIN} = tests.plugins.faulty.hanging_sync:plugin\n")
    town = ServedTown(tmp_path, empty_database_url)
    asyncio.run(upgrade(town.town.configuration, (CORE_APPLICATION,), lambda line: None))
    town.found()
    path = tmp_path / "yetan.toml"
    path.write_text(path.read_text().replace("plugins = [", f'plugins = ["{PLUGIN}", '))
    town.environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{tmp_path / 'site'}"
    return town


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_loop_that_a_plugin_holds_is_replaced_while_the_other_process_answers(stalling: ServedTown) -> None:
    first = stalling.serve("--no-worker", wait=False)
    second = stalling.serve("--no-worker", wait=False)
    try:
        for process in (first, second):
            until(f"{process.address} serves", process.ready)
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
        until("another process answers", first.ready)
        assert first.children != held
        # What it was, in words: how long, where, and that it is in quarantine, in the other process too.
        assert "hanging_sync/__init__.py" in first.said
        assert f"plugin {PLUGIN} is in quarantine after event loop" in first.said
        assert httpx2.get(f"{first.address}/", timeout=30).status_code == 200
        until("the other process knows", lambda: httpx2.get(f"{second.address}/", timeout=30).status_code == 200)
        assert second.said.count("is replaced") == 0
        listed = stalling.command("plugin", "list")
        assert f"{PLUGIN} 1.0" in listed.stdout
        assert "已停用" in listed.stdout
    finally:
        stalling.stop()
    assert SILENCE + AGAIN < 5


def test_safe_mode_serves_the_core_alone_to_be_read(stalling: ServedTown) -> None:
    shutil.rmtree(stalling.folder / "site")
    refused = stalling.command("serve", "--port", str(free_port()))
    assert refused.returncode == 2
    assert f"'{PLUGIN}' is not installed" in refused.stderr
    assert "Traceback" not in refused.stderr
    process = stalling.serve("--safe-mode")
    try:
        with stalling.browser(process, "village") as browser:
            assert browser.get("/").status_code == 200
            token = stalling.token(process, "village")
            answer = browser.post("/desk/register", data=stalling.form("安全模式", token))
            assert (answer.status_code, "安全模式下检修" in answer.text) == (503, True)
    finally:
        stalling.stop()
    assert "安全模式" not in stalling.titles()
