"""A full disk: what cannot be written is refused in words, with what was typed; all that is there is read (F11, F12).

Real processes. The disk is a small one of its own, which root alone can mount; others skip that.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from tests.faults.served import ServedTown, until

KEEPS_READING = ("/", "/issues", "/desk", "/desk/register", "/desk/search?q=路灯")


@contextmanager
def small_disk(folder: Path, size: str = "8m") -> Iterator[None]:
    """A disk of its own under `folder`, with what lay there on it; needs root."""
    kept = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("SKIPPED DISK: a disk of one's own can be mounted by root alone")
    try:
        for path, data in kept.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up all the room there is; the file that does it."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


def photo() -> bytes:
    """A picture that does not compress."""
    file = io.BytesIO()
    Image.frombytes("RGB", (300, 300), os.urandom(300 * 300 * 3)).save(file, "JPEG")
    return file.getvalue()


def test_a_full_disk_is_told_and_all_that_is_there_is_read(served: ServedTown) -> None:
    """Database, photos, index and log on one disk: no half of anything is kept, and all goes on once there is room."""
    before = served.titles()
    with small_disk(served.folder, "24m"):
        try:
            process = served.serve()
            token = served.token(process, "village")
            with served.browser(process, "village") as browser:
                form = served.form("磁盘满了的那天", token)
                for path in KEEPS_READING:
                    assert browser.get(path).status_code == 200
                ballast = fill(served.folder)
                refused = []
                while len(refused) < 5:
                    answer = browser.post("/desk/register", data=served.form("塞满为止", token), timeout=30)
                    if answer.status_code != 303:
                        refused.append(answer)
                assert {answer.status_code for answer in refused} <= {503, 507}
                assert 507 in {answer.status_code for answer in refused}
                assert "内容没有保存" in refused[-1].text
                told = browser.post("/desk/register", data=form)
                assert told.status_code in (503, 507)
                assert form["text"] in told.text
                with_photo = browser.post("/desk/register", data=form, files={"photos": ("灯.jpg", photo())})
                assert with_photo.status_code in (503, 507)
                for path in KEEPS_READING:
                    assert browser.get(path).status_code == 200, path
                ballast.unlink()
                until("it writes again", lambda: browser.post("/desk/register", data=form).status_code == 303)
                assert browser.post("/desk/register", data=form).status_code == 303
            assert process.stop() == 0
            titles = served.titles()
            assert titles.count("磁盘满了的那天") == 1
            assert set(before) <= set(titles)
            assert served.rows("PRAGMA integrity_check") == [("ok",)]
            assert served.rows("PRAGMA foreign_key_check") == []
            alone = "SELECT count(*) FROM yetan_issue WHERE id NOT IN (SELECT issue_id FROM yetan_raiser)"
            assert served.rows(alone) == [(0,)]
            assert [path for path in (served.data / "files").rglob("*") if path.is_file()] == []
        finally:
            served.stop()


def test_a_log_that_is_full_or_closed_stops_no_request(served: ServedTown) -> None:
    """F12: stderr on a full device; and a pipe that nobody reads, filled up."""
    with open("/dev/full", "wb") as full:
        process = served.serve(stdout=full, stderr=full)
    with served.browser(process) as browser:
        for _ in range(5):
            assert browser.get("/").status_code == 200
            assert browser.get("/readyz").status_code == 200
    assert process.stop() == 0


def test_a_log_that_nobody_reads_stops_no_request(served: ServedTown) -> None:
    """F12: a pipe, full to the brim."""
    reader, writer = os.pipe()
    process = served.serve(stdout=writer, stderr=writer)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"\0" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    served.rows("ALTER TABLE yetan_public_issue RENAME TO away")
    with served.browser(process) as browser:
        for _ in range(3):
            assert browser.get("/issues").status_code == 500  # told in the log, which nobody reads
        assert browser.get("/healthz").status_code == 200
    served.rows("ALTER TABLE away RENAME TO yetan_public_issue")
    assert process.stop() == 0
    os.close(reader)
    os.close(writer)
