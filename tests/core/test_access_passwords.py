"""Passwords: long ones of any kind are welcome, the commonest are not."""

from __future__ import annotations

import asyncio

import pytest
from argon2.exceptions import VerifyMismatchError

from yetan.access import passwords
from yetan.access.passwords import check_password, hash_password, verify_password
from yetan.errors import Invalid


@pytest.mark.parametrize(
    "password",
    [
        "柳湾村口那盏灯",
        "correct horse battery",
        "x7Kd93mz",
        "a" + "b" * 62 + "c",
        "lantern over the river 42",
        "灯" * 3 + "亮到天明啦",
    ],
)
def test_long_and_unusual_is_enough(password: str) -> None:
    if len(password) >= 8:
        check_password(password)
    else:
        with pytest.raises(Invalid, match="至少要 8 个字符"):
            check_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "12345678",
        "123456789",
        "87654321",
        "88888888",
        "5201314520",
        "woaini1314",
        "a123456789",
        "qwertyuiop",
        "PASSWORD",
        "Password1!",
        "abcdefgh",
        "hgfedcba",
        "12341234",
        "abababab",
        "admin2024",
        "dragon88",
        "1qaz2wsx",
        "Ａ１２３４５６７８９",
        "20080808",
        "5678901234",
    ],
)
def test_the_commonest_are_refused(password: str) -> None:
    """C31"""
    with pytest.raises(Invalid) as refused:
        check_password(password, field="new")
    assert "太常见" in refused.value.fields["new"][0]


def test_one_s_own_name_is_no_password() -> None:
    with pytest.raises(Invalid):
        check_password("linxiaoyun1", username="LinXiaoyun")
    check_password("linxiaoyun beim mondschein", username="linxiaoyun")


def test_there_is_an_end_to_length() -> None:
    with pytest.raises(Invalid, match="最多 256"):
        check_password("柳湾" * 200)


def test_hashes_are_argon2id_salted_and_checked() -> None:
    async def run() -> None:
        first, second = await asyncio.gather(hash_password("柳湾村口那盏灯亮"), hash_password("柳湾村口那盏灯亮"))
        assert first.startswith("$argon2id$")
        assert first != second
        assert await verify_password(first, "柳湾村口那盏灯亮")
        assert not await verify_password(first, "柳湾村口那盏灯灭")
        assert not await verify_password("", "nobody has this password")
        assert not await verify_password("nonsense", "柳湾村口那盏灯亮")

    asyncio.run(run())


def test_what_is_checked_for_nobody_is_as_dear_as_a_hash_of_today() -> None:
    """C34: not refused at a glance, and with the costs of a stored one."""
    assert not passwords.needs_rehash(passwords._decoy())
    with pytest.raises(VerifyMismatchError):
        passwords.hasher().verify(passwords._decoy(), "nobody has this password")


def test_a_full_width_keyboard_locks_nobody_out() -> None:
    async def run() -> None:
        assert await verify_password(await hash_password("lantern 2026"), "ｌａｎｔｅｒｎ　２０２６")

    asyncio.run(run())
