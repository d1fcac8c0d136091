"""Whether rows fit together: references, units, the story of every issue, and what was written past the services."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from yetan.db.connection import is_postgres
from yetan.db.statements import fetch
from yetan.events.models import Event, RequestKey
from yetan.health.findings import Findings
from yetan.issues.events import REPORTED as REPORTED_EVENT
from yetan.issues.models import Acceptance, Feedback, Issue, Rating
from yetan.plugins.declarations import Health
from yetan.units.models import Unit, UnitAncestor

_CHUNK = 500
_PAST_THE_SERVICES = "有人绕过程序改了表：请对照审计记录和备份查明，按备份改回去"

#: Rows that name others by number alone: table, column, condition, the table they name.
_NAMED = (
    ("yetan_event", "subject_id", "subject_kind = 'issue'", "yetan_issue"),
    ("yetan_remark", "event_id", "TRUE", "yetan_event"),
    ("yetan_publication", "subject_id", "subject_kind = 'issue'", "yetan_issue"),
    ("yetan_attachment", "subject_id", "subject_kind = 'issue'", "yetan_issue"),
    ("yetan_due", "subject_id", "subject_kind = 'issue'", "yetan_issue"),
)

_POSTGRES_FOREIGN_KEYS = """
SELECT constraint_.conname AS name, constraint_.convalidated AS valid, child.relname AS child, parent.relname AS parent,
       column_.attname AS "column", target.attname AS target
FROM pg_constraint constraint_
JOIN pg_class child ON child.oid = constraint_.conrelid
JOIN pg_class parent ON parent.oid = constraint_.confrelid
JOIN pg_attribute column_ ON column_.attrelid = child.oid AND column_.attnum = constraint_.conkey[1]
JOIN pg_attribute target ON target.attrelid = parent.oid AND target.attnum = constraint_.confkey[1]
WHERE constraint_.contype = 'f' AND child.relnamespace = current_schema()::regnamespace
ORDER BY child.relname, column_.attname
"""


async def foreign_keys() -> Health:
    """Every foreign key of every table holds, whoever switched the database's own guard off meanwhile."""
    found = Findings()
    if is_postgres():
        for key in await fetch(_POSTGRES_FOREIGN_KEYS):
            if not key["valid"]:
                found.add(f"{key['child']} 的约束 {key['name']} 没有验证")
            broken = await _dangling(key["child"], key["column"], "TRUE", key["parent"], key["target"])
            found.extend(f"{key['child']}.{key['column']} = {value}" for value in broken)
    else:
        # As an aggregate: a damaged table may have a million broken rows.
        for row in await fetch(
            'SELECT "table" AS child, parent, count(*) AS count, min("rowid") AS first FROM pragma_foreign_key_check '
            'GROUP BY "table", parent'
        ):
            found.add(f"{row['child']} 从第 {row['first']} 行起 {row['count']} 行指向 {row['parent']}")
    return found.health("foreign keys", "都指得到", "{} 处指向不存在的行", _PAST_THE_SERVICES)


async def references() -> Health:
    """Rows that name others by number alone name some that are there."""
    found = Findings()
    for child, column, condition, parent in _NAMED:
        broken = await _dangling(child, column, condition, parent, "id")
        found.extend(f"{child}.{column} = {value}" for value in broken)
    return found.health("references", "都指得到", "{} 处指向不存在的行", _PAST_THE_SERVICES)


async def _dangling(child: str, column: str, condition: str, parent: str, target: str) -> list[Any]:
    """The distinct values of a column that name no row, a chunk of them at most."""
    rows = await fetch(
        f'SELECT DISTINCT "{column}" AS value FROM "{child}" child WHERE {condition} AND "{column}" IS NOT NULL '  # noqa: S608 - names of our own and from the catalogue
        f'AND NOT EXISTS (SELECT 1 FROM "{parent}" parent WHERE parent."{target}" = child."{column}") '
        f"ORDER BY value LIMIT {_CHUNK}"
    )
    return [row["value"] for row in rows]


async def unit_tree() -> Health:
    """The rows of every unit's ancestors are those its parents give: all that anybody may see hangs on them."""
    found = Findings()
    parents = {row["id"]: row["parent_id"] for row in await Unit.all().values("id", "parent_id")}
    kept: dict[int, dict[int, int]] = {unit: {} for unit in parents}
    for row in await UnitAncestor.all().values("unit_id", "ancestor_id", "depth"):
        kept.setdefault(row["unit_id"], {})[row["ancestor_id"]] = row["depth"]
    for unit in kept:
        line: dict[int, int] = {}
        each: int | None = unit
        while each is not None and each in parents and each not in line:
            line[each] = len(line)
            each = parents[each]
        if line != kept[unit]:
            found.add(unit)
    return found.health(
        "unit tree", "上下级一致", "{} 个单位的上下级对不上（id）", "请再导入一次单位表：yetan import units units.csv"
    )


async def history() -> Health:
    """Every issue is where the events say that it was brought, and every verdict has its event."""
    found = Findings()
    async for issues in _issues("id", "number", "state"):
        ids = [issue["id"] for issue in issues]
        told: dict[int, list[tuple[str, Mapping[str, Any]]]] = {each: [] for each in ids}
        events = Event.filter(subject_kind="issue", subject_id__in=ids, type__startswith="issue.").order_by("id")
        for subject_id, kind, data in await events.values_list("subject_id", "type", "data"):
            told[subject_id].append((kind, data))
        rows = {
            kinds: Tally([row["issue_id"] for row in await model.filter(issue_id__in=ids).values("issue_id")])
            for model, kinds in _VERDICTS
        }
        for issue in issues:
            fault = _fault(issue["state"], told[issue["id"]])
            for kinds, counted in rows.items():
                if not fault and counted[issue["id"]] != sum(kind in kinds for kind, _ in told[issue["id"]]):
                    fault = f"{kinds[0]} 的行数和事件数不同"
            if fault:
                found.add(f"{issue['number']}（{fault}）")
    return found.health("history", "每件事的状态都有事件说明来历", "{} 件事和它的经过对不上", _PAST_THE_SERVICES)


#: What residents and officials said of a result: each row is written with an event of one of these types.
_VERDICTS: tuple[tuple[type[Any], tuple[str, ...]], ...] = (
    (Feedback, ("issue.feedback",)),
    (Acceptance, ("issue.accepted", "issue.refused")),
    (Rating, ("issue.rated",)),
)


def _fault(state: str, told: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """What is wrong with an issue in `state` about which these events were told, or ""."""
    if not told or told[0][0] != REPORTED_EVENT:
        return "没有提出的事件"
    at = "reported"
    for kind, data in told:
        before, after = data.get("from"), data.get("to")
        if isinstance(before, str) and isinstance(after, str):
            if before != at:
                return f"{kind} 从 {before} 出发，当时却在 {at}"
            at = after
    return "" if at == state else f"现在是 {state}，经过停在 {at}"


async def scopes() -> Health:
    """Everybody who should see an issue does: it has a row for each unit above its home and its responsible unit."""
    found = Findings()
    found.extend([row["number"] for row in await unseen(_CHUNK)])
    return found.health(
        "visibility", "该看到的都看得到", "至少 {} 件事有该看到的上级看不到", "请运行 yetan check --repair"
    )


async def unseen(limit: int) -> list[dict[str, Any]]:
    """Issues (id, number) that lack such a row, at most `limit`."""
    return await fetch(
        f"""SELECT DISTINCT issue.id, issue.number FROM yetan_issue issue
        JOIN yetan_unit_ancestor line ON line.unit_id IN (issue.unit_id, issue.responsible_unit_id)
        WHERE NOT EXISTS (SELECT 1 FROM yetan_issue_scope scope
            WHERE scope.issue_id = issue.id AND scope.unit_id = line.ancestor_id)
        ORDER BY issue.id LIMIT {limit}"""  # noqa: S608 - a number of our own
    )


async def request_keys() -> Health:
    """The key of every change names what came of it: both are written in one transaction."""
    found = Findings()
    keys = RequestKey.filter(result_id=None).order_by("id")
    found.count = await keys.count()
    found.examples = [f"{row['service']} #{row['id']}" for row in await keys.limit(5).values("id", "service")]
    return found.health("idempotency keys", "都有结果", "{} 个没有结果", _PAST_THE_SERVICES)


async def _issues(*columns: str) -> AsyncIterator[list[dict[str, Any]]]:
    """All issues in chunks, in the order of their ids."""
    last = 0
    while rows := await Issue.filter(id__gt=last).order_by("id").limit(_CHUNK).values(*columns):
        yield [dict(row) for row in rows]
        last = rows[-1]["id"]
