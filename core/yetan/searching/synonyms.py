"""The town's own synonyms: rings of words, changed by administrators, in force with the next search."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Conflict, Invalid, NotFound
from yetan.searching.models import SynonymChange, SynonymRing
from yetan.units.service import root

MANAGE = "synonym.manage"
MOST_WORDS = 20
LONGEST_WORD = 12
_APART = re.compile(r"[\s、，,;；/]+")
_WORD = re.compile(r"[^\W_]+")


def words_in(text: str) -> tuple[str, ...]:
    """The words of a ring as typed, each once. Raises `Invalid` saying what is wrong with which word."""
    words = tuple(dict.fromkeys(filter(None, _APART.split(text))))
    if len(words) < 2:
        raise Invalid.field("words", "一组至少要有两个词，中间空一格，例如：堵车 塞车。")
    if len(words) > MOST_WORDS:
        raise Invalid.field("words", "一组最多 {most} 个词，现在有 {given} 个。", most=MOST_WORDS, given=len(words))
    for word in words:
        if not _WORD.fullmatch(word):
            raise Invalid.field("words", "“{word}”里有标点或符号，只能写字、字母和数字。", word=word)
        if not 2 <= len(word) <= LONGEST_WORD:
            raise Invalid.field("words", "“{word}”要在 2 到 {most} 个字之间。", word=word, most=LONGEST_WORD)
    return words


@change(SynonymRing)
async def add_ring(act: Act, text: str) -> SynonymRing:
    """Let words say the same from now on. Raises `Invalid` where one of them stands in another ring already."""
    await require(act, MANAGE, [(await root()).id])
    words = await _unclaimed(text)
    ring = await SynonymRing.create(words=" ".join(words))
    await _note(act, ring)
    return ring


@change(SynonymRing)
async def change_ring(act: Act, ring_id: int, version: int, text: str, active: bool) -> SynonymRing:
    """Change the words of a ring, or whether it holds, as the actor saw it in its `version`.

    Raises `Conflict` where somebody was faster, `Invalid` where a word stands in another ring already.
    """
    await require(act, MANAGE, [(await root()).id])
    ring = await SynonymRing.get_or_none(id=ring_id)
    if ring is None:
        raise NotFound
    if ring.version != version:
        raise _overtaken()
    ring.words = " ".join(await _unclaimed(text, ring.id) if active else words_in(text))
    ring.active = active
    ring.version += 1
    await _note(act, ring)
    await ring.save()
    return ring


def _overtaken() -> Conflict:
    return Conflict("别人刚刚改过这一组。请刷新页面，看看现在的词，再决定要不要改。")


async def _note(act: Act, ring: SynonymRing) -> None:
    try:
        async with in_transaction():
            await SynonymChange.create(
                ring_id=ring.id,
                version=ring.version,
                words=ring.words,
                active=ring.active,
                changed_at=act.now,
                changed_by_id=act.actor.account_id,
            )
    except IntegrityError:
        raise _overtaken() from None


async def _unclaimed(text: str, ring_id: int = 0) -> tuple[str, ...]:
    """The words of `text`, none of which stands in another ring: two would be one, unseen."""
    words = words_in(text)
    for ring in await SynonymRing.filter(active=True).exclude(id=ring_id).order_by("id"):
        if shared := [word for word in words if word in ring.words.split()]:
            raise Invalid.field(
                "words", "“{word}”已经在另一组里：{words}。请改那一组，或者先停用它。", word=shared[0], words=ring.words
            )
    return words


async def rings() -> Sequence[tuple[str, ...]]:
    """The town's rings that hold now."""
    return [tuple(ring.words.split()) for ring in await SynonymRing.filter(active=True).order_by("id")]
