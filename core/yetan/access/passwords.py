"""Passwords: Argon2id, long rather than complicated, and none of the commonest (C30, C31)."""

from __future__ import annotations

import asyncio
import unicodedata
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from yetan.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MINIMUM_LENGTH = 8
#: Far beyond the 64 characters that must be possible; only keeps hashing from being fed megabytes.
MAXIMUM_LENGTH = 256

#: Keyboard rows and counting, forwards; the check reads them backwards too.
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc")
#: Each hash takes 64 MiB; more than this many at once would starve a small machine.
_HASHING = ThreadPoolExecutor(2, thread_name_prefix="passwords")

COMMON = frozenset((files("yetan.access") / "common_passwords.txt").read_text(encoding="utf-8").split())


def check_password(password: str, *, field: str = "password", username: str = "") -> None:
    """Raise `Invalid` naming `field` unless `password` may be used: 8 to 256 characters, and not easily guessed.

    There is no rule about kinds of characters: it would make passwords worse, not better.
    """
    text = _normal(password)
    if len(text) < MINIMUM_LENGTH:
        raise Invalid.field(field, "密码至少要 {count} 个字符。可以用一句自己记得住的话。", count=MINIMUM_LENGTH)
    if len(text) > MAXIMUM_LENGTH:
        raise Invalid.field(field, "密码最多 {count} 个字符。", count=MAXIMUM_LENGTH)
    if _easily_guessed(text.casefold(), username.casefold()):
        raise Invalid.field(field, "这个密码太常见，很容易被猜到。请换一个，可以用一句自己记得住的话。")


@cache
def hasher() -> PasswordHasher:
    """The library's defaults: RFC 9106, low memory (64 MiB, three passes)."""
    from argon2 import PasswordHasher  # many processes never see a password

    return PasswordHasher()


async def hash_password(password: str) -> str:
    """The Argon2id hash to store. Takes some tens of milliseconds, in a thread of its own."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, _hash, _normal(password))


async def verify_password(stored: str, password: str) -> bool:
    """Whether `password` is the one `stored` was made from. "" (no password) costs the same and is never right."""
    typed = _normal(password)[:MAXIMUM_LENGTH]
    return await asyncio.get_running_loop().run_in_executor(_HASHING, _verify, stored, typed)


def needs_rehash(stored: str) -> bool:
    """Whether `stored` was made with weaker parameters than today's."""
    return hasher().check_needs_rehash(stored)


def _hash(password: str) -> str:
    return hasher().hash(password)


def _verify(stored: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return hasher().verify(stored or _decoy(), password) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


def _decoy() -> str:
    """What is checked where there is no account or no password, so that the answer takes as long as a real one (C34).

    As dear as a hash of today's, of no known password, and made without hashing: nobody waits for it at start.
    """
    from argon2.low_level import ARGON2_VERSION

    today = hasher()
    cost = f"m={today.memory_cost},t={today.time_cost},p={today.parallelism}"
    salt, digest = (b64encode(bytes(length)).decode().rstrip("=") for length in (today.salt_len, today.hash_len))
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


def _normal(password: str) -> str:
    """One form for what looks the same, so that a full-width keyboard does not lock anybody out (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def _easily_guessed(password: str, username: str) -> bool:
    letters = password.strip("0123456789!@#.*_-")
    stem = letters or password
    return (
        password in COMMON
        or len(set(password)) <= 2
        or (len(stem) >= 3 and stem in COMMON)
        or bool(username and username in password and len(password) - len(username) < MINIMUM_LENGTH)
        or any(password in run or password in run[::-1] for run in _RUNS)
        or _is_one_piece_repeated(password)
    )


def _is_one_piece_repeated(password: str) -> bool:
    """12341234, abcabcabc: no stronger than the piece."""
    return any(password == password[:length] * (len(password) // length) for length in range(1, 5))
