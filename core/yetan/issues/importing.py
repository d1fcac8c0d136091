"""Bringing a town's ledger in: all rows or none, as history, with nothing lost and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, tzinfo

from msgspec import Struct
from msgspec.structs import replace
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.bulk import insert_all
from yetan.errors import Conflict, Invalid
from yetan.events.service import emit_many, new_event
from yetan.faults import reached
from yetan.issues import events
from yetan.issues.categories import path_name
from yetan.issues.ledger import Ledger, LedgerRow, RefusedRow
from yetan.issues.lifecycle import REPORTED, RESOLVED
from yetan.issues.models import Category, Issue, IssueLink, Raiser, Remark
from yetan.issues.numbers import next_numbers
from yetan.issues.scope import write_scopes
from yetan.people.models import Person
from yetan.publication.projection import project
from yetan.publication.service import publish_batch
from yetan.runtime import current
from yetan.spreadsheets import RowProblem, Table
from yetan.units.models import Unit
from yetan.units.service import by_name

#: Where issues come from unless the operator names the ledger; with the number there it is an issue's identity.
DEFAULT_SOURCE = "ledger"

#: phase (a Chinese word), how many are done, of how many.
Progress = Callable[[str, int, int], None]
_CHUNK = 200
#: How long a person's name and phone may be.
_NAME, _PHONE = 60, 30


class ImportPlan(Struct, frozen=True):
    """What an import would do: rows to add, numbers that are here already, rows refused, and what is odd."""

    ledger: Ledger
    source: str
    rows: tuple[LedgerRow, ...]
    present: tuple[str, ...]
    units: Mapping[int, int]
    responsible: Mapping[int, int]
    categories: Mapping[int, int]
    warnings: tuple[RowProblem, ...]

    @property
    def refused(self) -> tuple[RefusedRow, ...]:
        """Rows that cannot go in, each with all its reasons."""
        return self.ledger.refused


class ImportReport(Struct, frozen=True):
    """What an import did: issues added, of them answered, published, and linked to one of the same text."""

    added: int
    answered: int
    published: int
    linked: int


async def plan_import(
    ledger: Ledger,
    table: Table,
    unit: Unit,
    source: str = DEFAULT_SOURCE,
    *,
    reach: Collection[int] | None = None,
) -> ImportPlan:
    """Compare a read ledger with the database, changing nothing.

    `unit` takes the rows that name none. A row naming a unit that does not exist, or none at all to date it by, is
    refused, and with `reach` a row of a unit that is not in it; an unknown category or responsible unit is kept with
    the row and said.
    """
    numbers = [row.source_number for row in ledger.rows]
    present: set[str] = set()
    for start in range(0, len(numbers), _CHUNK):
        known = Issue.filter(source=source, source_number__in=numbers[start : start + _CHUNK])
        present |= {str(number) for number in await known.values_list("source_number", flat=True)}
    named = await _units({row.unit for row in ledger.rows} | {row.responsible_unit for row in ledger.rows})
    paths = {row["path"]: row["id"] for row in await Category.all().values("path", "id")}
    cells = {row.number: row.cells for row in table.rows}
    rows: list[LedgerRow] = []
    refused: list[RefusedRow] = []
    warnings: list[RowProblem] = []
    units: dict[int, int] = {}
    responsible: dict[int, int] = {}
    categories: dict[int, int] = {}
    zone = current().configuration.city.zone
    for row in ledger.rows:
        if row.source_number in present:
            continue
        problems = list(_problems(row, named))
        if reach is not None and named.get(row.unit, unit.id) not in reach:
            problems.append(RowProblem(row.row, "单位", row.unit, "您的岗位管不到这个单位，请由管它的人导入"))
        if problems:
            refused.append(RefusedRow(row.row, cells[row.row], tuple(problems)))
            continue
        units[row.row] = named.get(row.unit, unit.id)
        responsible[row.row] = named.get(row.responsible_unit, units[row.row])
        if row.responsible_unit and row.responsible_unit not in named:
            warnings.append(RowProblem(row.row, "责任单位", row.responsible_unit, "没有这个单位，先由登记单位负责"))
        category, known_path = _category(row.category, paths)
        if category is not None:
            categories[row.row] = category
        if row.category and known_path != row.category:
            warnings.append(RowProblem(row.row, "分类", "/".join(row.category), "类别表里没有，原文保留在附加栏"))
            row = replace(row, extra={**row.extra, "原分类": "/".join(row.category)})
        rows.append(replace(row, extra={**row.extra, **_not_taken(row, zone)}))
    full = replace(ledger, refused=tuple(sorted((*ledger.refused, *refused), key=lambda each: each.row)))
    return ImportPlan(
        full,
        source,
        tuple(rows),
        tuple(n for n in numbers if n in present),
        units,
        responsible,
        categories,
        (*ledger.warnings, *warnings),
    )


async def _units(names: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names - {""}:
        try:
            found[name] = (await by_name(name)).id
        except Invalid:
            continue
    return found


def _problems(row: LedgerRow, units: Mapping[str, int]) -> Sequence[RowProblem]:
    problems: list[RowProblem] = []
    if row.unit and row.unit not in units:
        problems.append(RowProblem(row.row, "单位", row.unit, "单位表里没有这个单位，请核对名称，或先导入单位"))
    if row.raised_at is None and row.replied_at is None:
        problems.append(RowProblem(row.row, "时间", "", "没有提出的时间，也没有答复的时间，无法入账"))
    return problems


def _category(path: tuple[str, ...], paths: Mapping[str, int]) -> tuple[int | None, tuple[str, ...]]:
    """The deepest known category of a path, and how much of the path it is."""
    for length in range(len(path), 0, -1):
        found = paths.get("/".join(path_name(name) for name in path[:length]))
        if found is not None:
            return found, path[:length]
    return None, ()


async def carry_out(act: Act, plan: ImportPlan, *, publish: bool, progress: Progress) -> ImportReport:
    """Write a plan's rows in one transaction: killed at any point, either all are there or none.

    Imported issues are historical: they fill boards, figures and search, and start no notices or reminders. An
    answered one arrives resolved and awaiting acceptance, never struck off. Raises `Forbidden` unless the actor may
    import, and with `publish` approve, in every unit concerned, and `Conflict` when another import was quicker.
    """
    for unit in sorted(set(plan.units.values())):
        await require(act, "import.run", [unit])
        if publish:
            await require(act, "publication.approve", [unit])
    history = replace(act, historical=True)
    try:
        async with in_transaction():
            issues = await _write_issues(history, plan, progress)
            await _write_events(history, issues, plan, progress)
            linked = await _link_same_text(history, issues)
            if publish:
                progress("公开", 0, len(issues))
                await publish_batch(history, issues)
    except IntegrityError as error:
        raise Conflict("这些编号里有的刚刚被另一次导入写进来了，这一次什么都没有写入。请再导入一次。") from error
    reached("import.committed")
    if publish:
        for start in range(0, len(issues), _CHUNK):
            await project([issue.id for issue in issues[start : start + _CHUNK]])
            progress("公开", min(start + _CHUNK, len(issues)), len(issues))
    return ImportReport(len(issues), sum(1 for issue in issues if issue.outcome), len(issues) if publish else 0, linked)


async def _write_issues(act: Act, plan: ImportPlan, progress: Progress) -> list[Issue]:
    numbers = await _numbers(act, plan.rows)
    issues = [_issue(row, plan, numbers[row.source_number]) for row in plan.rows]
    for start in range(0, len(issues), _CHUNK):
        await insert_all(issues[start : start + _CHUNK])
        reached("import.chunk")
        progress("写入", min(start + _CHUNK, len(issues)), len(issues))
    await _write_raisers(act, issues, plan.rows)
    await write_scopes(issues)
    return issues


async def _numbers(act: Act, rows: Sequence[LedgerRow]) -> dict[str, str]:
    """A number of its own year for each source number, in the order of the ledger."""
    zone = current().configuration.city.zone
    by_year: dict[int, list[str]] = {}
    for row in rows:
        by_year.setdefault(_raised(row).astimezone(zone).year, []).append(row.source_number)
    numbers: dict[str, str] = {}
    for year, sources in sorted(by_year.items()):
        given = await next_numbers(act.now.date().replace(year=year, month=1, day=1), len(sources))
        numbers.update(zip(sources, given, strict=True))
    return numbers


def _issue(row: LedgerRow, plan: ImportPlan, number: str) -> Issue:
    return Issue(
        number=number,
        source=plan.source,
        source_number=row.source_number,
        fingerprint=row.fingerprint,
        kind="suggestion" if "建议" in row.kind else "problem",
        title=row.title,
        text=row.text,
        place=row.place,
        category_id=plan.categories.get(row.row),
        unit_id=plan.units[row.row],
        responsible_unit_id=plan.responsible[row.row],
        state=RESOLVED if row.reply else REPORTED,
        outcome=row.reply,
        via="import",
        raised_at=_raised(row),
        raised_precision=row.raised_precision or row.replied_precision,
        resolved_at=(row.replied_at or _raised(row)) if row.reply else None,
        historical=True,
        extra=dict(row.extra),
    )


def _not_taken(row: LedgerRow, zone: tzinfo) -> dict[str, str]:
    """What the ledger says and no column of an issue takes whole, under the words it is kept by."""
    said = {"原状态": row.state, "原类型": row.kind}
    if row.replied_at is not None and not row.reply:
        said["答复时间"] = f"{row.replied_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    for label, value, length in (("反映人", row.reporter, _NAME), ("联系电话", row.phone, _PHONE)):
        if len(value) > length:
            said[label] = value
    return {label: value for label, value in said.items() if value}


async def _write_raisers(act: Act, issues: Sequence[Issue], rows: Sequence[LedgerRow]) -> None:
    """Each row's reporter as a person; two rows are one person's only where name and phone are both the same."""
    phones = sorted({row.phone[:_PHONE] for row in rows if row.reporter and row.phone})
    known: dict[tuple[str, str], Person] = {}
    for start in range(0, len(phones), _CHUNK):
        chunk = Person.filter(phone__in=phones[start : start + _CHUNK], erased_at=None).exclude(name="")
        known |= {(person.name, person.phone): person for person in await chunk.order_by("-id")}
    added: list[Person] = []
    raised: list[tuple[Issue, Person]] = []
    for issue, row in zip(issues, rows, strict=True):
        name, phone = row.reporter[:_NAME], row.phone[:_PHONE]
        if not name and not phone:
            continue
        person = known.get((name, phone))
        if person is None:
            person = Person(name=name, phone=phone, unit_id=issue.unit_id, created_at=act.now)
            added.append(person)
            if name and phone:
                known[(name, phone)] = person
        raised.append((issue, person))
    await insert_all(added)
    await Raiser.bulk_create(
        [Raiser(issue_id=issue.id, person_id=person.id, at=issue.raised_at) for issue, person in raised],
        batch_size=_CHUNK,
    )


def _raised(row: LedgerRow) -> datetime:
    at = row.raised_at or row.replied_at
    assert at is not None, "plan_import refuses rows without any date"
    return at


async def _write_events(act: Act, issues: Sequence[Issue], plan: ImportPlan, progress: Progress) -> None:
    """What happened, at its own time: raised then, answered then."""
    told = [
        new_event(
            act,
            events.REPORTED,
            ("issue", issue.id),
            audience="public",
            data={"via": "import"},
            at=issue.raised_at,
        )
        for issue in issues
    ]
    answers = {
        issue.id: new_event(
            act,
            events.ANSWERED,
            ("issue", issue.id),
            audience="public",
            data={"from": REPORTED, "to": RESOLVED, "round": 1},
            at=issue.resolved_at,
        )
        for issue in issues
        if issue.outcome
    }
    await emit_many(act, [*told, *answers.values()])
    remarks = [
        Remark(
            issue_id=issue.id,
            event_id=answers[issue.id].id,
            kind="outcome",
            text=issue.outcome,
            audience="public",
            at=issue.resolved_at,
        )
        for issue in issues
        if issue.id in answers
    ]
    await Remark.bulk_create(remarks, batch_size=_CHUNK)
    progress("记录经过", len(issues), len(issues))


async def _link_same_text(act: Act, issues: Sequence[Issue]) -> int:
    """Link each issue to an earlier one of the same text (001-23). Returns how many were linked."""
    prints = {issue.fingerprint for issue in issues}
    first: dict[str, int] = {}
    wanted = sorted(prints)
    for start in range(0, len(wanted), _CHUNK):
        known = Issue.filter(fingerprint__in=wanted[start : start + _CHUNK]).order_by("-raised_at", "-id")
        first.update({row["fingerprint"]: row["id"] for row in await known.values("fingerprint", "id")})
    links = [
        IssueLink(issue_id=issue.id, other_id=first[issue.fingerprint], kind="same_text", at=act.now)
        for issue in issues
        if first[issue.fingerprint] != issue.id
    ]
    await IssueLink.bulk_create(links, batch_size=_CHUNK, ignore_conflicts=True)
    return len(links)
