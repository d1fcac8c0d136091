"""Ending: what is under way is finished, nothing new is taken, and nobody is left behind (F37). Real processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import pytest
from tests.faults.served import Process, ServedTown, until


def alive(number: int) -> bool:
    """Whether a process runs, or waits to be buried."""
    with suppress(ProcessLookupError):
        os.kill(number, 0)
        return True
    return False


def refuses(process: Process) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", process.port)) != 0


def begin_post(town: ServedTown, process: Process, title: str) -> tuple[socket.socket, bytes]:
    """A form of which half has been sent, and its other half."""
    form = httpx2.Request("POST", process.address, data=town.form(title, town.token(process, "village")))
    body = form.read()
    head = (
        f"POST /desk/register HTTP/1.1\r\nHost: 127.0.0.1:{process.port}\r\nOrigin: {process.address}\r\n"
        f"Sec-Fetch-Site: same-origin\r\nCookie: yetan-session={town.cookies['village']}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", process.port))
    connection.settimeout(60)
    connection.sendall(head.encode() + body[:100])
    return connection, body[100:]


def test_what_is_under_way_is_finished_and_nothing_new_taken(served: ServedTown) -> None:
    """A form half sent when the end is asked for is still taken; whoever comes later is refused at the door.

    The worker, too, finishes what it has in hand: of twenty matters no delivery is left in anybody's hands.
    """
    process = served.serve()
    token = served.token(process, "village")
    with served.browser(process, "village") as browser:
        for index in range(20):
            assert browser.post("/desk/register", data=served.form(f"第{index}件", token)).status_code == 303
    connection, rest = begin_post(served, process, "夜里最后一件")
    time.sleep(0.5)
    process.parent.send_signal(signal.SIGTERM)
    until("nobody is let in any more", lambda: refuses(process))
    connection.sendall(rest)
    assert connection.recv(65536).startswith(b"HTTP/1.1 303")
    connection.close()
    assert process.parent.wait(60) == 0
    assert "夜里最后一件" in served.titles()
    assert served.rows("SELECT count(*) FROM yetan_delivery WHERE lease_until IS NOT NULL OR attempts > 0") == [(0,)]
    assert "Traceback" not in process.said
    assert "Fatal" not in process.said


def test_asked_twice_it_ends_at_once(served: ServedTown) -> None:
    """Somebody still sends a form and does not come to an end."""
    process = served.serve()
    connection, _ = begin_post(served, process, "不会有的事")
    (child,) = process.children
    process.parent.send_signal(signal.SIGINT)
    until("nobody is let in any more", lambda: refuses(process))
    process.parent.send_signal(signal.SIGINT)
    assert process.parent.wait(15) == 0
    until("the child is gone", lambda: not alive(child))
    connection.close()
    assert "不会有的事" not in served.titles()


def test_a_child_that_dies_is_replaced_and_none_outlives_its_parent(served: ServedTown) -> None:
    """kill -9 of the child: the parent starts another. kill -9 of the parent: that one ends and frees the port."""
    process = served.serve()
    (child,) = process.children
    os.kill(child, signal.SIGKILL)
    until("another child serves", lambda: process.children not in ([], [child]) and process.ready())
    (child,) = process.children
    process.parent.kill()
    process.parent.wait()
    until("the child has ended", lambda: not alive(child))
    assert refuses(process)


@pytest.mark.postgresql
def test_one_of_two_can_be_restarted_unnoticed(served_on_cluster: ServedTown) -> None:
    """Clients that go to the other one where one refuses them see no failure (F37)."""
    town = served_on_cluster
    processes = [town.serve(), town.serve()]
    until("both serve", lambda: all(process.ready() for process in processes))
    token = town.token(processes[0], "village")
    stop: list[bool] = []

    def person(who: int) -> Counter[object]:
        """Goes to one after the other, and on to the next when a connection is refused or closed before an answer."""
        seen: Counter[object] = Counter()
        rounds = 0
        while not stop:
            rounds += 1
            form = town.form(f"第{who}人第{rounds}件", token)
            for turn in range(6):
                process = processes[(who + rounds + turn) % 2]
                try:
                    with town.browser(process, "village") as browser:
                        answer = browser.get("/desk") if rounds % 3 else browser.post("/desk/register", data=form)
                    seen[answer.status_code] += 1
                    break
                except httpx2.TransportError:
                    seen["went on"] += 1
            else:
                seen["failed"] += 1
        return seen

    with ThreadPoolExecutor(4) as people:
        counts = [people.submit(person, who) for who in range(4)]
        try:
            time.sleep(2)
            assert processes[0].stop() == 0
            processes[0] = town.serve(port=processes[0].port)
            time.sleep(1)
        finally:
            stop.append(True)  # Whatever went wrong: the block ends when the people do.
    seen = sum((count.result() for count in counts), Counter())
    print(dict(seen))
    assert seen["went on"] > 0
    assert set(seen) == {200, 303, "went on"}
    titles = Counter(town.titles())
    assert max(titles.values()) == 1
