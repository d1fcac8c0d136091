"""A database that goes away or does not answer: nobody is told a fault of ours, nothing acknowledged is lost, and all
goes on by itself. Real processes and a PostgreSQL cluster of its own (F07, F08).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx2
import pytest
from tests.faults.load import restart_under_load
from tests.faults.served import Cluster, Process, ServedTown, until
from tests.figures import size

pytestmark = pytest.mark.postgresql

#: What a test waits for an answer, far more than the five seconds it takes where nobody else works on the machine.
ANSWERED = 30.0


@pytest.fixture(scope="module")
def process(served_on_cluster: ServedTown) -> Iterator[Process]:
    return served_on_cluster.serve()


@pytest.fixture
def browser(served_on_cluster: ServedTown, process: Process) -> Iterator[httpx2.Client]:
    with served_on_cluster.browser(process, "village") as browser:
        yield browser


@pytest.fixture
def token(served_on_cluster: ServedTown, process: Process) -> str:
    return served_on_cluster.token(process, "village")


def test_a_restart_under_load_loses_nothing_that_was_acknowledged(
    cluster: Cluster, served_on_cluster: ServedTown, process: Process
) -> None:
    """F07, P7: refused meanwhile with 503 and when to come again; sent again with its key, each has one effect."""
    restart_under_load(cluster, served_on_cluster, process, requests=size("YETAN_SOAK_REQUESTS", 120))
    # The worker, too, goes on by itself.
    try:
        until("the worker has caught up", lambda: not waiting(served_on_cluster))
    except AssertionError:
        print(waiting(served_on_cluster)[:5], len(waiting(served_on_cluster)))
        raise


def test_a_lock_somebody_keeps_is_not_waited_for(
    cluster: Cluster, served_on_cluster: ServedTown, browser: httpx2.Client, token: str
) -> None:
    """F08: what needs the row is refused in time, with what was typed; everything else is served meanwhile."""
    form = served_on_cluster.form("路灯又不亮", token)
    with cluster.holding(cluster.url, "SELECT * FROM yetan_sequence FOR UPDATE"):
        began = time.monotonic()
        refused = browser.post("/desk/register", data=form, timeout=ANSWERED)
        print(f"refused after {time.monotonic() - began:.1f} s")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert form["text"] in refused.text
        assert form["_key"] in refused.text
        assert browser.get("/").status_code == 200
        assert browser.get("/desk").status_code == 200
    assert browser.post("/desk/register", data=form).status_code == 303
    assert served_on_cluster.titles().count("路灯又不亮") == 1


def test_when_every_connection_waits_the_others_are_told_so(
    cluster: Cluster, served_on_cluster: ServedTown, process: Process, browser: httpx2.Client, token: str
) -> None:
    """F08: the pool has ten connections, two of them listen; twenty people want the locked row."""
    with cluster.holding(cluster.url, "SELECT * FROM yetan_sequence FOR UPDATE"), ThreadPoolExecutor(20) as people:
        began = time.monotonic()
        forms = [served_on_cluster.form(f"第{number}个人", token) for number in range(20)]
        send = partial(httpx2.post, f"{process.address}/desk/register", cookies=dict(browser.cookies), verify=False)
        headers = {"Origin": process.address, "Sec-Fetch-Site": "same-origin"}
        answers = list(people.map(lambda form: send(data=form, headers=headers, timeout=ANSWERED), forms))
        slowest = max(answer.elapsed.total_seconds() for answer in answers)
        print(f"all refused after {time.monotonic() - began:.1f} s, each after {slowest:.1f} s at most")
        assert Counter(answer.status_code for answer in answers) == {503: 20}
    until("it serves again", lambda: browser.get("/desk").status_code == 200)
    assert browser.post("/desk/register", data=forms[0]).status_code == 303


def test_a_database_that_says_nothing_any_more_is_given_up(cluster: Cluster, process: Process) -> None:
    """F08: its host hangs; no connection is closed, no question answered."""
    with httpx2.Client(base_url=process.address, timeout=ANSWERED, verify=False) as browser:
        cluster.freeze()
        try:
            began = time.monotonic()
            assert browser.get("/").status_code == 503
            assert browser.get("/").status_code == 503
            print(f"refused twice after {time.monotonic() - began:.1f} s")
            assert browser.get("/healthz").status_code == 200
            assert browser.get("/readyz").status_code == 503
        finally:
            cluster.thaw()
        until("it serves again", lambda: browser.get("/").status_code == 200)


def waiting(town: ServedTown) -> list[tuple[Any, ...]]:
    """The deliveries that wait."""
    return town.rows(
        "SELECT event_id, subscriber, attempts, due_at, lease_until, error FROM yetan_delivery WHERE state <> 'done'"
    )
