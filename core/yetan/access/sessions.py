"""Signing in: accounts and their actors, server-side sessions, one-time links (C34 to C37, C41)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from yetan.access.models import Session, SignInLink
from yetan.access.passwords import check_password, hash_password, needs_rehash, verify_password
from yetan.access.secrets import keyed_hash, new_token
from yetan.access.throttle import attempt, forgive
from yetan.act import Act, Actor, Grant
from yetan.db.reading import load, read, stored
from yetan.errors import Invalid, NotFound
from yetan.i18n import message_ids
from yetan.people.models import Account, Person
from yetan.runtime import current

#: Tries at one account, and from one address (a whole office may share one), in a window.
ACCOUNT_TRIES, ADDRESS_TRIES, WINDOW_SECONDS = 10, 100, 15 * 60
#: `seen_at` is written at most this often: a click costs a write only now and then.
_SEEN_EVERY = timedelta(minutes=1)
#: How long a one-time link is good. What lies farther ahead, or was opened later than now, comes from a clock that ran
#: ahead: it would stay open until the future comes (F14). Clocks of several machines differ by less than the slack.
LINK_VALID, _SLACK = timedelta(hours=24), timedelta(minutes=5)


_PERSON_AND_POSTS = """
SELECT person.*, post.id AS post_id, post.role, post.unit_id AS post_unit, unit.parent_id
FROM yetan_person person
LEFT JOIN yetan_post post ON post.account_id = ? AND post.since <= ? AND (post.until IS NULL OR post.until >= ?)
LEFT JOIN yetan_unit unit ON unit.id = post.unit_id
WHERE person.id = ? ORDER BY post.id"""


async def actor_of(account: Account, today: date) -> Actor:
    """The actor an account is: its person and the grants of the posts it holds on `today`, a date in the city."""
    rows = await read(_PERSON_AND_POSTS, [account.id, today, today, account.person_id])
    person = stored(Person, rows[0])
    account.person = person
    return Actor(
        name=person.name or account.username,
        account_id=account.id,
        person_id=account.person_id,
        grants=tuple(
            Grant(row["role"], row["post_unit"], row["post_id"], whole_city=row["parent_id"] is None)
            for row in rows
            if row["post_id"] is not None
        ),
    )


# Sessions


async def open_session(account: Account, now: datetime, replaced: Session | None = None) -> str:
    """Sign `account` in: a new session, and the token for its cookie.

    The session the browser had before is gone, whoever it belonged to: its token may be known to others (C35).
    """
    if replaced is not None:
        await replaced.delete()
    token = new_token()
    await Session.create(
        token_hash=_session_hash(token),
        account=account,
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(hours=current().configuration.server.session_hours),
    )
    return token


async def find_session(token: str, now: datetime) -> Session | None:
    """The live session of `token`, with its account, or None.

    Not live: idle longer than `session_idle_minutes`, older than `session_hours`, opened in the future, or the account
    is disabled.
    """
    found = await load(Session, "token_hash = ?", [_session_hash(token)])
    if not found:
        return None
    (session,) = found
    (session.account,) = await load(Account, "id = ?", [session.account_id])
    idle_since = now - timedelta(minutes=current().configuration.server.session_idle_minutes)
    in_its_time = session.created_at <= now + _SLACK and now < session.expires_at
    if not in_its_time or session.seen_at < idle_since or not session.account.active:
        await session.delete()
        return None
    if now - session.seen_at >= _SEEN_EVERY:
        await Session.filter(id=session.id).update(seen_at=now)
    return session


def form_token(session: Session) -> str:
    """What every form of the session's browser sends back: no other site knows it (C15)."""
    return keyed_hash("csrf", session.token_hash)


async def close_session(session: Session) -> None:
    """Sign this one browser out (C36)."""
    await session.delete()


async def close_sessions(account_id: int) -> None:
    """Sign an account out everywhere: its password changed, it was disabled, or somebody asked (C36)."""
    await Session.filter(account_id=account_id).delete()


async def forget_expired(now: datetime) -> int:
    """Remove sessions and links whose time is over; returns how many. For a daily job."""
    sessions = await Session.filter(expires_at__lte=now).delete()
    return sessions + await SignInLink.filter(expires_at__lte=now).delete()


def _session_hash(token: str) -> str:
    return keyed_hash("session", token)


# Passwords


async def check_sign_in(act: Act, username: str, password: str) -> Account:
    """The account that `username` and `password` open.

    Raises `Invalid` with one text for every cause, after the same work, so that nobody learns which accounts
    there are (C34); `TooMany` after too many tries at an account or from an address (C38).
    """
    await attempt("sign_in.address", act.source, limit=ADDRESS_TRIES, window_seconds=WINDOW_SECONDS, now=act.now)
    await attempt(
        "sign_in.account", username.casefold(), limit=ACCOUNT_TRIES, window_seconds=WINDOW_SECONDS, now=act.now
    )
    account = await Account.get_or_none(username=username)
    stored = account.password_hash if account is not None and account.active else ""
    right = await verify_password(stored, password)
    if account is None or not right:
        raise Invalid("用户名或密码不对。请核对后再试；忘了密码请联系管理员，领取一次性登录链接。")
    await forgive("sign_in.account", username.casefold(), window_seconds=WINDOW_SECONDS, now=act.now)
    if needs_rehash(stored):
        # Conditional: a password changed meanwhile stays.
        await Account.filter(id=account.id, password_hash=stored).update(password_hash=await hash_password(password))
    return account


async def set_password(account: Account, password: str, *, field: str = "password") -> None:
    """Give an account a password and sign it out everywhere. Raises `Invalid` naming `field` if it is a weak one."""
    check_password(password, field=field, username=account.username)
    account.password_hash = await hash_password(password)
    await account.save(update_fields=["password_hash"])
    await close_sessions(account.id)


async def change_password(act: Act, account: Account, present: str, new: str) -> None:
    """Change one's own password, given the present one where there is one, and sign out everywhere (C36).

    Raises `Invalid` naming the form field `current` or `new`; `TooMany` after too many guesses at the present one.
    """
    await attempt("password.change", str(account.id), limit=ACCOUNT_TRIES, window_seconds=WINDOW_SECONDS, now=act.now)
    if account.password_hash and not await verify_password(account.password_hash, present):
        raise Invalid.field("current", "现在的密码不对，请核对后再写。")
    await set_password(account, new, field="new")


# One-time links


async def issue_link(account: Account, now: datetime, *, valid: timedelta = LINK_VALID, key: str = "") -> str:
    """A token whose link signs `account` in once, until `valid` is over (at most `LINK_VALID`). Its hash is stored.

    With the idempotency `key` of a form a repeat gets the same link, not a second one (C54).
    """
    token = keyed_hash("sign_in_link.key", f"{account.id}:{key}") if key else new_token()
    values = {"account": account, "expires_at": now + valid}
    await SignInLink.get_or_create(token_hash=_link_hash(token), defaults=values)
    return token


async def link_is_open(token: str, now: datetime) -> bool:
    """Whether a link can still be used; looking does not use it, so that link previews burn nothing."""
    return await SignInLink.filter(
        token_hash=_link_hash(token),
        used_at__isnull=True,
        expires_at__gt=now,
        expires_at__lte=now + LINK_VALID + _SLACK,
        account__active=True,
    ).exists()


async def use_link(token: str, now: datetime) -> Account:
    """The account of a link, used up by this call. Of many calls at once exactly one gets it; others `NotFound`."""
    link = await SignInLink.get_or_none(token_hash=_link_hash(token)).select_related("account")
    if link is None or not link.account.active or not now < link.expires_at <= now + LINK_VALID + _SLACK:
        raise NotFound(LINK_GONE)
    if await SignInLink.filter(id=link.id, used_at__isnull=True).update(used_at=now) != 1:
        raise NotFound(LINK_GONE)
    return link.account


LINK_GONE = message_ids("这个登录链接已经用过或过期了。请联系管理员重新领取一个。")


def _link_hash(token: str) -> str:
    return keyed_hash("sign_in_link", token)
