"""People at a served town all at once: reading the board, reading at the desk, registering issues."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
from tests.faults.served import Cluster, Process, ServedTown, until
from tests.figures import keep

READERS, DESKS = ("/", "/issues", "/search?q=路灯"), ("/desk", "/desk/register")
PEOPLE = 6
#: Seconds somebody waits who was told to come again; a tenth of what they are told.
WAIT = 0.5


class Load:
    """`requests` of six people, a third of them posts with a key; what they were answered."""

    def __init__(self, town: ServedTown, process: Process, requests: int) -> None:
        self.town, self.process = town, process
        self.token = town.token(process, "village")
        self.statuses: Counter[int] = Counter()
        #: Requests that ended without an answer.
        self.broken = 0
        self.without_retry_after = 0
        #: What was to be registered, by title, with its key; and what was said to be.
        self.asked: dict[str, str] = {}
        self.acknowledged: list[str] = []
        self._numbers = iter(range(requests))
        self._lock = threading.Lock()

    @property
    def answered(self) -> int:
        """How many requests have come to an end, with or without an answer."""
        return self.statuses.total() + self.broken

    def wait_for(self, count: int) -> None:
        """Wait until so many have."""
        until(f"{count} requests have ended", lambda: self.answered >= count)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load while the block runs; afterwards all of it has been sent."""
        people = [threading.Thread(target=self._ask) for _ in range(PEOPLE)]
        for person in people:
            person.start()
        try:
            yield
        finally:
            for person in people:
                person.join()

    def send_again(self) -> None:
        """Send what was not acknowledged once more, each with its key."""
        with self.town.browser(self.process, "village") as browser:
            for title, key in self.asked.items():
                if title not in self.acknowledged:
                    answer = browser.post("/desk/register", data=self.town.form(title, self.token, key))
                    assert answer.status_code == 303, answer.text

    def _ask(self) -> None:
        pages = itertools.cycle((*READERS, *DESKS))
        with self.town.browser(self.process, "village") as browser:
            while (number := self._next()) is not None:
                if number % 3:
                    self._note(partial(browser.get, next(pages)))
                    continue
                title, key = f"第{number}件", secrets.token_urlsafe(16)
                self.asked[title] = key
                form = self.town.form(title, self.token, key)
                if self._note(partial(browser.post, "/desk/register", data=form)) == 303:
                    self.acknowledged.append(title)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _note(self, ask: Callable[[], httpx2.Response]) -> int:
        try:
            answer = ask()
        except httpx2.TransportError:
            with self._lock:
                self.broken += 1
            return 0
        with self._lock:
            self.statuses[answer.status_code] += 1
            self.without_retry_after += answer.status_code == 503 and "retry-after" not in answer.headers
        if answer.status_code == 503:
            time.sleep(WAIT)
        return answer.status_code


def restart_under_load(cluster: Cluster, town: ServedTown, process: Process, requests: int) -> Load:
    """Take the database down after a quarter of so many requests, and bring it back after half of them (F07)."""
    load = Load(town, process, requests)
    with load.running():
        load.wait_for(requests // 4)
        cluster.down()
        load.wait_for(requests // 2)
        cluster.up()
        back = time.monotonic()
        until("the site serves again", process.ready)
        seconds = round(time.monotonic() - back, 1)
    keep(
        "restart_under_load",
        requests=requests,
        answers={str(status): count for status, count in sorted(load.statuses.items())},
        without_an_answer=load.broken,
        acknowledged=len(load.acknowledged),
        back_after_seconds=seconds,
    )
    assert set(load.statuses) == {200, 303, 503}
    assert load.without_retry_after == 0
    assert set(load.acknowledged) <= set(town.titles())
    load.send_again()
    registered = Counter(town.titles())
    assert {title: registered[title] for title in load.asked} == dict.fromkeys(load.asked, 1)
    return load
