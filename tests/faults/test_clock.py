"""A clock that jumps by a day or by ten years, and comes back: nothing gets stuck, and nothing stays open (F14)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from yetan.access.sessions import find_session, issue_link, link_is_open, open_session, use_link
from yetan.errors import NotFound
from yetan.events.clock import take_back
from yetan.events.models import Delivery, JobRun
from yetan.events.worker import Worker
from yetan.issues.following import Opened, opened_by
from yetan.issues.models import Issue
from yetan.testing import Town

JUMPS = [timedelta(days=1), timedelta(days=3653)]
ahead = pytest.mark.parametrize("jump", JUMPS, ids=["a day", "ten years"])


@pytest.fixture
def database_kind() -> str:
    """What lies in the future does so on either database."""
    return "sqlite"


def test_numbers_go_by_sequence_whatever_the_clock_shows(town: Town) -> None:
    """A number that was given out is not given out again; those after it are larger."""
    morning = town.clock.now
    issues = []
    for jump in (*JUMPS, -JUMPS[0], -JUMPS[1], timedelta(0)):
        town.clock.now = morning + jump
        issues.append(town.report(title=f"{jump} 以后的路灯"))
    assert len({issue.number for issue in issues}) == len(issues)
    assert [issue.id for issue in issues] == sorted(issue.id for issue in issues)


@ahead
def test_what_was_put_off_or_leased_by_a_wrong_clock_is_due_again(town: Town, jump: timedelta) -> None:
    """The worker notices at its start and when the clock goes back."""
    issue = town.report()

    async def leave_behind() -> None:
        waiting = Delivery.filter(state="pending", subject_id=issue.id)
        first, *others = await waiting.order_by("id")
        future = town.clock.now + jump
        await Delivery.filter(id=first.id).update(due_at=future)
        await Delivery.filter(id__in=[each.id for each in others]).update(lease_until=future)

    async def work() -> None:
        stop = asyncio.Event()
        worker = asyncio.create_task(Worker().run(stop))
        async with asyncio.timeout(30):
            while await Delivery.filter(state="pending").exists():  # noqa: ASYNC110 - a database has no event
                await asyncio.sleep(0.05)
        stop.set()
        await worker

    town.do(leave_behind)
    assert town.run_worker() == 0 or town.run(_pending())
    town.do(work)


async def _pending() -> int:
    return await Delivery.filter(state="pending").count()


def test_a_lease_somebody_holds_is_left_alone(town: Town) -> None:
    """Clocks of several workers differ a little."""
    town.report()

    async def lease() -> int:
        await Delivery.filter(state="pending").update(lease_until=town.clock.now + timedelta(minutes=7))
        return await take_back(town.clock.now)

    assert town.do(lease) == 0


@ahead
def test_no_session_stays_open_until_the_future_comes(town: Town, jump: timedelta) -> None:
    account, now = town.accounts["clerk"], town.clock.now

    async def opened(at: Any) -> str:
        return await open_session(account, at)

    assert town.run(find_session(town.run(opened(now)), now)) is not None
    assert town.run(find_session(town.run(opened(now + timedelta(minutes=1))), now)) is not None
    assert town.run(find_session(town.run(opened(now + jump)), now)) is None
    assert town.run(find_session(town.run(opened(now - jump)), now)) is None


@ahead
def test_no_link_stays_good_until_the_future_comes(town: Town, jump: timedelta) -> None:
    account, now = town.accounts["clerk"], town.clock.now
    assert town.run(link_is_open(town.run(issue_link(account, now)), now))
    for at in (now + jump, now - jump):
        token = town.run(issue_link(account, at))
        assert not town.run(link_is_open(token, now))
        with pytest.raises(NotFound):
            town.run(use_link(token, now))


@ahead
def test_no_issue_stays_open_in_a_browser_until_the_future_comes(town: Town, jump: timedelta) -> None:
    now, opened = town.clock.now, Opened(1, 1)
    assert opened_by(opened.token(now), now) == opened
    assert opened_by(opened.token(now + jump), now) is None
    assert opened_by(opened.token(now - jump), now) is None


def test_a_job_runs_once_for_a_jump_and_once_after_it(town: Town) -> None:
    """Ten years later it is the latest period that is run, not three thousand; back again, today's is the next."""

    async def periods() -> set[str]:
        return {run.period for run in await JobRun.filter(job="core.forget")}

    town.run_worker()
    before = town.do(periods)
    town.clock.forward(days=3653)
    town.run_worker()
    ahead = town.do(periods) - before
    assert ahead == {"2036-05-06"}
    town.clock.forward(days=-3652)
    town.run_worker()
    assert town.do(periods) - before - ahead == {"2026-05-07"}


@ahead
def test_no_page_shows_a_time_that_runs_backwards(town: Town, jump: timedelta) -> None:
    """An issue raised by a clock that was ahead, looked at by one that is right."""
    now = town.clock.now
    town.clock.now = now + jump
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.clock.now = now
    pages = ("/desk", f"/desk/issues/{issue.id}", "/", "/issues", "/figures")
    browser = town.browser("clerk")
    for path in pages:
        answer = browser.get(path)
        assert answer.status_code == 200
        text = re.sub(r"<[^>]+>", " ", answer.text)
        assert not re.search(r"[-−]\d+ ?(天|小时|分钟|秒|个工作日)", text), path
    assert town.reload(issue).state == "listed"
    assert isinstance(issue, Issue)
