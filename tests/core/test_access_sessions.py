"""Signing in: sessions that end, links that work once, throttles that count every try, no account given away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.tiny_city import MORNING, PASSWORD, SAME_ORIGIN, Browser, TinyCity, add_account
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.transactions import in_transaction

from yetan.access import passwords
from yetan.access.models import Session, SignInLink, Throttle
from yetan.access.sessions import (
    ACCOUNT_TRIES,
    ADDRESS_TRIES,
    WINDOW_SECONDS,
    change_password,
    check_sign_in,
    close_sessions,
    find_session,
    forget_expired,
    issue_link,
    open_session,
    use_link,
)
from yetan.access.throttle import attempt, forget_ended
from yetan.act import ANONYMOUS, Act
from yetan.app import running
from yetan.config import Server
from yetan.errors import Invalid, NotFound, TooMany
from yetan.people.models import Account

NOBODY = Act(actor=ANONYMOUS, now=MORNING, source="203.0.113.9")


@pytest.fixture
def city(database_url: str, tmp_path: Path) -> TinyCity:
    EXECUTOR_CACHE.clear()
    return TinyCity(database_url, tmp_path)


@pytest.fixture
def browser(city: TinyCity) -> Iterator[Browser]:
    with city.client() as browser:
        yield browser


@asynccontextmanager
async def open_city(city: TinyCity) -> AsyncIterator[Account]:
    """The city without its pages, and an account in it."""
    async with running(city.configuration, city.clock, registry=city.registry):
        yield await add_account()


# Sessions in a browser


def test_signing_in_and_out(browser: Browser) -> None:
    """C36: the stolen cookie is worth nothing after signing out."""
    browser.do(add_account)
    assert browser.sign_in(next="/desk/notices").headers["location"] == "/desk/notices"
    stolen = browser.cookies["yetan-session"]
    assert browser.get("/desk").status_code == 200
    assert browser.submit("/sign-out", {"_token": browser.token()}).headers["location"] == "/"
    assert "yetan-session" not in browser.cookies
    browser.carry(stolen)
    assert browser.get("/desk").status_code == 303


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "%2f%2fevil.example"])
def test_signing_in_leads_nowhere_else(browser: Browser, wanted: str) -> None:
    """C19"""
    browser.do(add_account)
    assert browser.sign_in(next=wanted).headers["location"] == "/"


def test_the_way_on_survives_a_wrong_password(browser: Browser) -> None:
    browser.do(add_account)
    page = browser.get("/sign-in?next=/desk/notices").text
    assert 'name="next" value="/desk/notices"' in page
    wrong = browser.sign_in(password="不对的密码", next="/desk/notices")
    assert wrong.status_code == 422
    assert 'name="next" value="/desk/notices"' in wrong.text
    assert 'value="lin"' in wrong.text
    assert "不对的密码" not in wrong.text


def test_signing_in_makes_a_new_session(browser: Browser) -> None:
    """C35: a token planted or known before is worth nothing afterwards."""
    browser.do(add_account)
    browser.carry("planted")
    browser.sign_in()
    first = browser.cookies["yetan-session"]
    assert first != "planted"
    browser.sign_in(_token=browser.token())
    second = browser.cookies["yetan-session"]
    assert second != first
    browser.carry(first)
    assert browser.get("/desk").status_code == 303
    assert browser.do(Session.all().count) == 1


def test_a_session_ends_idle_or_old(city: TinyCity, browser: Browser) -> None:
    """C37"""
    city.server = Server(base_url=city.server.base_url)
    browser.do(add_account)
    browser.sign_in()
    city.clock.forward(minutes=59)
    assert browser.get("/desk").status_code == 200
    city.clock.forward(minutes=59)
    assert browser.get("/desk").status_code == 200, "a click keeps it alive"
    city.clock.forward(minutes=61)
    assert browser.get("/desk").status_code == 303
    browser.sign_in()
    for _ in range(23):
        city.clock.forward(minutes=31)
        assert browser.get("/desk").status_code == 200
    city.clock.forward(minutes=31)
    assert browser.get("/desk").status_code == 303, "not longer than twelve hours, however busy"


def test_a_disabled_account_is_out_at_once(browser: Browser) -> None:
    """C36; and it stays out when the account is let in again."""
    account = browser.do(add_account)
    browser.sign_in()
    browser.do(lambda: Account.filter(id=account.id).update(active=False))
    assert browser.get("/desk").status_code == 303
    assert browser.sign_in().status_code == 422
    browser.do(lambda: Account.filter(id=account.id).update(active=True))
    assert browser.get("/desk").status_code == 303


def test_a_changed_password_ends_all_other_sessions(city: TinyCity, browser: Browser) -> None:
    """C36, C35"""
    browser.do(add_account)
    browser.sign_in()
    elsewhere = browser.cookies["yetan-session"]
    browser.cookies.clear()
    browser.sign_in()
    here = browser.cookies["yetan-session"]
    new = "秧田埂上数过星星"
    typed = {"current": PASSWORD, "new": new, "again": new, "_token": browser.token()}
    assert browser.submit("/me/password", {**typed, "current": "不对的密码"}).status_code == 422
    assert browser.submit("/me/password", {**typed, "again": "写得不一样的"}).status_code == 422
    assert browser.submit("/me/password", {**typed, "new": "12345678", "again": "12345678"}).status_code == 422
    assert browser.submit("/me/password", typed).status_code == 303
    now = browser.cookies["yetan-session"]
    assert now not in (here, elsewhere)
    assert browser.get("/desk").status_code == 200
    for old in (here, elsewhere):
        browser.carry(old)
        assert browser.get("/desk").status_code == 303
    browser.cookies.clear()
    assert browser.sign_in().status_code == 422
    assert browser.sign_in(password=new).status_code == 303


def test_cookies_over_https_are_tied_to_the_host(city: TinyCity) -> None:
    """C17"""
    city.server = Server(base_url="https://testserver")
    with city.client() as browser:
        browser.do(add_account)
        headers = {"Origin": "https://testserver"}
        signed_in = browser.submit("/sign-in", {"username": "lin", "password": PASSWORD}, headers=headers)
        shown = browser.get("/display?elder=1")
        for answer, name in ((signed_in, "__Host-session"), (shown, "__Host-display")):
            [cookie] = answer.headers.get_list("set-cookie")
            parts = [part.strip() for part in cookie.split(";")]
            assert parts[0].startswith(f"{name}=")
            assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(parts)
            assert not any(part.startswith("Domain") for part in parts)
        assert browser.get("/desk").status_code == 200


def test_a_copy_of_the_database_opens_no_door(browser: Browser) -> None:
    """C41"""
    account = browser.do(add_account)
    browser.sign_in()
    link = browser.do(lambda: issue_link(account, MORNING))
    stored = [
        *browser.do(lambda: Session.all().values_list("token_hash", flat=True)),
        *browser.do(lambda: SignInLink.all().values_list("token_hash", flat=True)),
    ]
    assert len(stored) == 2
    for value in stored:
        assert value not in (browser.cookies["yetan-session"], link)
        browser.carry(value)
        assert browser.get("/desk").status_code == 303
        assert browser.get(f"/sign-in/{value}").status_code == 404


# One-time links


def test_opening_a_link_does_not_use_it(browser: Browser) -> None:
    account = browser.do(add_account)
    token = browser.do(lambda: issue_link(account, MORNING))
    for _ in range(3):
        page = browser.get(f"/sign-in/{token}")
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
    assert browser.get("/desk").status_code == 303
    used = browser.submit(f"/sign-in/{token}")
    assert used.status_code == 303
    assert browser.get("/desk").status_code == 200
    browser.cookies.clear()
    assert browser.get(f"/sign-in/{token}").status_code == 404
    again = browser.submit(f"/sign-in/{token}")
    assert again.status_code == 404
    assert "已经用过或过期" in again.text


def test_a_link_expires_and_dies_with_its_account(city: TinyCity, browser: Browser) -> None:
    account = browser.do(add_account)
    token = browser.do(lambda: issue_link(account, MORNING, valid=timedelta(hours=1)))
    city.clock.forward(minutes=60)
    assert browser.get(f"/sign-in/{token}").status_code == 404
    assert browser.submit(f"/sign-in/{token}").status_code == 404
    fresh = browser.do(lambda: issue_link(account, city.clock()))
    browser.do(lambda: Account.filter(id=account.id).update(active=False))
    assert browser.get(f"/sign-in/{fresh}").status_code == 404
    assert browser.submit(f"/sign-in/{fresh}").status_code == 404


def test_of_fifty_tries_at_once_one_gets_the_link(city: TinyCity) -> None:
    async def run() -> int:
        async with open_city(city) as account:
            token = await issue_link(account, MORNING)
            results = await asyncio.gather(*(use_link(token, MORNING) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(each, (Account, NotFound)) for each in results)
        return sum(isinstance(each, Account) for each in results)

    assert asyncio.run(run()) == 1


# Throttles


def test_of_fifty_tries_at_once_all_count(city: TinyCity) -> None:
    """C38"""

    async def run() -> tuple[int, int]:
        async with running(city.configuration, city.clock, registry=city.registry):
            tries = (attempt("follow", "2026-0001", limit=5, window_seconds=86400, now=MORNING) for _ in range(50))
            results = await asyncio.gather(*tries, return_exceptions=True)
            [row] = await Throttle.all()
            return sum(each is None for each in results), row.count

    assert asyncio.run(run()) == (5, 50)


def test_a_throttle_opens_again_and_keeps_subjects_apart(city: TinyCity) -> None:
    async def run() -> None:
        async with running(city.configuration, city.clock, registry=city.registry):

            async def knock(subject: str = "13800000000", name: str = "code", seconds: int = 0) -> None:
                await attempt(name, subject, limit=2, window_seconds=600, now=MORNING + timedelta(seconds=seconds))

            await knock()
            await knock()
            with pytest.raises(TooMany) as shut:
                await knock(seconds=30)
            assert shut.value.retry_after == 570
            assert "10 分钟" in shut.value.message
            await knock(subject="13800000001")
            await knock(name="other")
            await knock(seconds=600)
            assert "13800000000" not in str(await Throttle.all().values()), "no phone number stands in clear"
            assert await forget_ended(MORNING + timedelta(seconds=600)) == 3
            assert await Throttle.all().count() == 1

    asyncio.run(run())


def test_a_throttle_inside_a_transaction_is_a_programming_error(city: TinyCity) -> None:
    async def run() -> None:
        async with running(city.configuration, city.clock, registry=city.registry), in_transaction():
            with pytest.raises(AssertionError, match="outside a transaction"):
                await attempt("x", "y", limit=1, window_seconds=60, now=MORNING)

    asyncio.run(run())


def test_guessing_at_an_account_is_stopped_and_does_not_lock_it_for_long(
    city: TinyCity, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C38: of a thousand guesses ten are looked at; the owner gets in by a link, or a quarter of an hour later."""
    account = browser.do(add_account)
    looked_at = 0

    def count(stored: str, password: str) -> bool:
        nonlocal looked_at
        looked_at += 1
        return False

    monkeypatch.setattr(passwords, "_verify", count)
    statuses = [browser.sign_in(password=f"猜测的密码{number}").status_code for number in range(ACCOUNT_TRIES + 5)]
    assert statuses == [422] * ACCOUNT_TRIES + [429] * 5
    assert looked_at == ACCOUNT_TRIES
    monkeypatch.undo()
    assert browser.sign_in().status_code == 429, "also for the right one, or guesses could be told apart"
    assert browser.sign_in(username="LIN").status_code == 429, "however the name is written"
    link = browser.do(lambda: issue_link(account, MORNING))
    assert browser.submit(f"/sign-in/{link}").status_code == 303
    browser.cookies.clear()
    city.clock.forward(minutes=15)
    assert browser.sign_in().status_code == 303


def test_one_address_cannot_try_all_accounts(city: TinyCity) -> None:
    async def run() -> list[int]:
        async with running(city.configuration, city.clock, registry=city.registry):
            for _ in range(ADDRESS_TRIES):
                await attempt(
                    "sign_in.address", NOBODY.source, limit=ADDRESS_TRIES, window_seconds=WINDOW_SECONDS, now=MORNING
                )
            with pytest.raises(TooMany):
                await check_sign_in(NOBODY, "somebody-else", PASSWORD)
            return await Throttle.filter(name="sign_in.account").values_list("count", flat=True)

    assert asyncio.run(run()) == []


def test_signing_in_gives_the_account_its_tries_back(city: TinyCity) -> None:
    async def run() -> None:
        async with open_city(city):
            for _ in range(ACCOUNT_TRIES + 2):
                await check_sign_in(NOBODY, "lin", PASSWORD)

    asyncio.run(run())


# Accounts


def test_no_answer_tells_which_accounts_there_are(browser: Browser) -> None:
    """C34: the same words; an unknown, a disabled and an unset account like a wrong password."""
    account = browser.do(lambda: add_account("off"))
    browser.do(lambda: Account.filter(id=account.id).update(active=False))
    unset = browser.do(lambda: add_account("unset"))
    browser.do(lambda: Account.filter(id=unset.id).update(password_hash=""))
    browser.do(add_account)
    answers = {
        browser.sign_in(username=name, password=password).text.replace(f'value="{name}"', "")
        for name, password in [
            ("lin", "不对的密码"),
            ("nobody", PASSWORD),
            ("off", PASSWORD),
            ("unset", ""),
            ("unset", "x"),
        ]
        if password
    }
    drawn = {text.partition('name="_key" value="')[0] for text in answers}
    assert len(drawn) == 1
    assert "用户名或密码不对" in drawn.pop()


def test_an_unknown_account_costs_the_same_work(city: TinyCity, monkeypatch: pytest.MonkeyPatch) -> None:
    """C34: one Argon2 run each, whoever is asked for."""
    runs: list[str] = []
    real = passwords._verify

    def count(stored: str, password: str) -> bool:
        runs.append(stored)
        return real(stored, password)

    monkeypatch.setattr(passwords, "_verify", count)

    async def run() -> None:
        async with open_city(city):
            for name in ("lin", "nobody"):
                with pytest.raises(Invalid):
                    await check_sign_in(NOBODY, name, "不对的密码")

    asyncio.run(run())
    assert len(runs) == 2
    assert runs[0].startswith("$argon2id$")
    assert runs[1] == ""


def test_a_weaker_hash_is_replaced_when_its_owner_signs_in(city: TinyCity) -> None:
    """C30"""
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)

    async def run() -> None:
        async with open_city(city) as account:
            await Account.filter(id=account.id).update(password_hash=weak)
            with pytest.raises(Invalid):
                await check_sign_in(NOBODY, "lin", "不对的密码")
            assert (await Account.get(id=account.id)).password_hash == weak
            await check_sign_in(NOBODY, "lin", PASSWORD)
            stored = (await Account.get(id=account.id)).password_hash
            assert stored != weak
            assert not passwords.needs_rehash(stored)
            await check_sign_in(NOBODY, "lin", PASSWORD)
            assert (await Account.get(id=account.id)).password_hash == stored

    asyncio.run(run())


def test_the_first_password_needs_no_present_one(city: TinyCity) -> None:
    async def run() -> None:
        async with open_city(city) as account:
            account.password_hash = ""
            await account.save(update_fields=["password_hash"])
            await change_password(NOBODY, account, "", "秧田埂上数过星星")
            assert (await check_sign_in(NOBODY, "lin", "秧田埂上数过星星")).id == account.id

    asyncio.run(run())


def test_what_is_over_is_forgotten(city: TinyCity) -> None:
    async def run() -> None:
        async with open_city(city) as account:
            token = await open_session(account, MORNING)
            await issue_link(account, MORNING, valid=timedelta(hours=1))
            assert await forget_expired(MORNING + timedelta(minutes=59)) == 0
            assert await forget_expired(MORNING + timedelta(hours=1)) == 1
            assert await find_session(token, MORNING) is not None
            await close_sessions(account.id)
            assert await find_session(token, MORNING) is None

    asyncio.run(run())


def test_a_form_from_elsewhere_signs_nobody_in(browser: Browser) -> None:
    """Not even into the attacker's own account (login CSRF)."""
    browser.do(add_account)
    answer = browser.post(
        "/sign-in",
        data={"username": "lin", "password": PASSWORD},
        headers={**SAME_ORIGIN, "Origin": "http://evil.example"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
