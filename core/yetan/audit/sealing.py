"""The chain over audit records: sealing them, forgetting them in time, verifying that none was touched (C79, C80).

One job seals; writers never wait for each other. It gives every record that has none yet the next number, in the
order of ids, and a hash over the hash before it, that number and all the record says. A record that is committed late,
after others with higher ids were sealed, simply gets its number in the next run: none is ever passed over.

What the chain shows: that no sealed record was altered, removed, put in between, or moved. What it cannot show:
whoever can write to the database past its triggers can compute a whole chain anew, or cut off its end together with the
row that says where it ends. Only a hash that was written down elsewhere shows that (`verify(expect=...)`). Nor can it
show what happened to a record before it was sealed, or that one was never written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta

from msgspec import Struct
from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.audit.models import AuditChain, AuditRecord
from yetan.audit.service import record
from yetan.db.statements import execute
from yetan.faults import reached
from yetan.plugins.declarations import Job
from yetan.runtime import current

#: Records sealed, read or removed at once: each chunk is a short transaction of its own.
CHUNK = 500


class Verification(Struct, frozen=True):
    """What a look over the whole chain found."""

    #: Records kept, and those of them that are sealed: the rest waits for the next run of the job.
    records: int
    sealed: int
    #: The hash of the newest sealed record: to be kept elsewhere. "" while nothing was ever sealed.
    head: str
    #: What is wrong first, in Chinese, naming the record; "" if nothing is.
    fault: str

    @property
    def ok(self) -> bool:
        """Whether the chain holds."""
        return not self.fault


def seal_of(before: str, number: int, row: AuditRecord) -> str:
    """The hash of the record that has `number`, following the one whose hash is `before`: 64 hexadecimal digits."""
    told = [
        before,
        number,
        row.id,
        row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        row.actor,
        row.action,
        row.subject,
        row.outcome,
        row.source,
    ]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


async def seal() -> int:
    """Seal every record that is committed and not sealed yet; returns how many. Any number may run at once."""
    total = 0
    while count := await _seal_chunk():
        total += count
    return total


async def _seal_chunk() -> int:
    async with in_transaction():
        chain = await _locked_chain()
        rows = await AuditRecord.filter(number=None).order_by("id").limit(CHUNK)
        for row in rows:
            chain.hash = seal_of(chain.hash, chain.sealed + 1, row)
            chain.sealed += 1
            row.number, row.hash = chain.sealed, chain.hash
        if rows:
            await AuditRecord.bulk_update(rows, fields=["number", "hash"])
            await AuditChain.filter(id=1).update(sealed=chain.sealed, hash=chain.hash)
            reached("audit.sealed")
    return len(rows)


async def _locked_chain() -> AuditChain:
    """The chain, locked until the transaction ends. Made if it is not there."""
    await execute(
        "INSERT INTO yetan_audit_chain (id, forgotten, forgotten_hash, sealed, hash) VALUES (1, 0, '', 0, '') "
        "ON CONFLICT (id) DO UPDATE SET sealed = yetan_audit_chain.sealed"
    )
    return await AuditChain.get(id=1)


# Forgetting


async def forget_old(act: Act) -> int:
    """Remove sealed records older than the retention, oldest first; returns how many.

    The chain stays verifiable: it begins after the last one removed, whose hash is kept. That they were removed is
    itself a record.
    """
    total = 0
    while count := await _forget_chunk(act):
        total += count
    return total


async def _forget_chunk(act: Act) -> int:
    before = act.now - timedelta(days=current().configuration.audit.retention_days)
    async with in_transaction():
        chain = await _locked_chain()
        oldest = await AuditRecord.filter(number__gt=chain.forgotten).order_by("number").limit(CHUNK)
        old: list[AuditRecord] = []
        for row in oldest:
            if row.at >= before:
                break
            old.append(row)
        if old:
            first, last = old[0].number, old[-1].number
            await AuditChain.filter(id=1).update(forgotten=last, forgotten_hash=old[-1].hash)
            await AuditRecord.filter(number__gt=chain.forgotten, number__lte=last).delete()
            await record(act, "audit.forget", f"AuditRecord:{first}-{last}")
    return len(old)


# Verifying


async def verify(*, expect: str = "", progress: Callable[[int, int], None] = lambda done, total: None) -> Verification:
    """Go over the whole chain, in chunks, and say what is wrong first.

    `expect` is a head that was kept elsewhere: a chain without that record is at fault, however well it hangs together.
    `progress` is told how many of how many sealed records are done. Sealing and forgetting may go on meanwhile.
    """
    while True:
        chain = await _chain()
        found = await _verify(chain, expect, progress)
        # Records that were forgotten while they were being read are no fault.
        if found.ok or (await _chain()).forgotten == chain.forgotten:
            return found


async def _chain() -> AuditChain:
    return await AuditChain.get_or_none(id=1) or AuditChain(id=1)


async def _verify(chain: AuditChain, expect: str, progress: Callable[[int, int], None]) -> Verification:
    number, before = chain.forgotten, chain.forgotten_hash
    met = expect in ("", before)
    fault = ""
    async for row in _sealed_rows(chain):
        fault = _fault_of(number, before, row)
        if fault:
            break
        assert row.number is not None
        assert row.hash is not None
        number, before = row.number, row.hash
        met = met or before == expect
        progress(number - chain.forgotten, chain.sealed - chain.forgotten)
    if not fault:
        fault = await _fault_at_end(chain, number, before)
    if not fault and not met:
        fault = (
            f"没有找到校验码是 {expect} 的记录：它之后的记录可能被整个换掉，或者链尾被截断了；"
            "也可能是校验码抄错了，或者那条记录已经超过保存期限。"
        )
    return Verification(await AuditRecord.all().count(), number - chain.forgotten, chain.hash, fault)


async def _sealed_rows(chain: AuditChain) -> AsyncIterator[AuditRecord]:
    """The sealed records in order of their numbers, as far as the chain had come when it was read."""
    last = chain.forgotten
    kept = AuditRecord.filter(number__lte=chain.sealed).order_by("number")
    # What stands before the beginning of the chain was put there by somebody else.
    rows = await kept.filter(number__lte=last).limit(CHUNK)
    while rows or (rows := await kept.filter(number__gt=last).limit(CHUNK)):
        for row in rows:
            yield row
        assert rows[-1].number is not None
        last, rows = max(last, rows[-1].number), []


def _fault_of(number: int, before: str, row: AuditRecord) -> str:
    """What is wrong with `row`, which should follow the record `number`."""
    where = f"第 {row.number} 条（id {row.id}，{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC）"
    if row.number != number + 1:
        if row.number is not None and row.number <= number:
            return f"{where}是多出来的：到第 {number} 条为止的记录都已按保存期限清理。"
        return f"第 {number + 1} 条缺失：它被删掉了，或者编号被改过。后面接着的是{where}。"
    if row.hash != seal_of(before, row.number, row):
        return f"{where}被改过，或者不是原来那一条：内容和封存时的校验码对不上。"
    return ""


async def _fault_at_end(chain: AuditChain, number: int, before: str) -> str:
    """What is wrong after the last record that was read."""
    if number != chain.sealed:
        return f"第 {number + 1} 条缺失：应该封存到第 {chain.sealed} 条，后面的都不在了。"
    if before != chain.hash:
        return f"登记的链尾和第 {number} 条对不上：链尾的登记被改过，或者这一条之前的都被换过。"
    last = await AuditRecord.filter(number__not_isnull=True).order_by("-number").first()
    if last is not None and last.number is not None and last.number > (await _chain()).sealed:
        return f"第 {last.number} 条（id {last.id}）是多出来的：登记的链只到第 {chain.sealed} 条。"
    return ""


async def _seal(act: Act) -> None:
    await seal()


async def _forget(act: Act) -> None:
    await forget_old(act)


JOBS = (Job("audit.seal", "hour", _seal), Job("audit.forget", "day", _forget, at_hour=4))
