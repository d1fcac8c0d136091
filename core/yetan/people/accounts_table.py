"""Bringing in accounts from a table: one row a post, whoever has several in several rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from yetan.access.roles import role_labels
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Forbidden, Invalid, Refused
from yetan.i18n import translate as _
from yetan.people.models import Account
from yetan.people.service import appoint, create_account, today
from yetan.runtime import current
from yetan.spreadsheets import Column, Columns, RowReader, Table, read_moment
from yetan.units.models import Unit
from yetan.web.choices import units_within, words_for_units
from yetan.web.table_imports import Reading, refused_row

MANAGE = "account.manage"
COLUMNS = Columns(
    (
        Column("username", "登录名", "登录名 用户名 账号 工号 username", 60),
        Column("name", "姓名", "姓名 名字 人员 name", 60),
        Column("unit", "单位", "单位编码 单位 单位名称 所在单位 unit", 80),
        Column("role", "角色", "角色 权限 role", 60),
        Column("title", "职务", "职务 职位 title", 60),
        Column("since", "从哪天起", "从哪天起 任职时间 任职日期 起始日期 since"),
    )
)


class AccountRow(Struct, frozen=True):
    """A post to be, from row `row` of the table: whose, in which role, where, since when."""

    row: int
    username: str
    name: str
    unit_id: int
    role: str
    title: str
    since: date


async def read_accounts(act: Act, table: Table) -> Reading:
    """The posts of the table. Accounts that exist already stay as they are: their rows add nothing."""
    found = COLUMNS.require(table, ("username",), ("name",), ("unit",), ("role",))
    within = {int(unit) for unit, _label in await units_within(act, MANAGE)}
    units = words_for_units(await Unit.filter(id__in=within))
    roles = {word: name for name, label in role_labels().items() for word in (name, label, _(label))}
    taken = {row["username"] for row in await Account.all().values("username")}
    names: dict[str, str] = {}
    rows: list[AccountRow] = []
    problems = []
    known = 0
    for each in table.rows:
        reader = RowReader(table, COLUMNS, found, each)
        username, name, unit, role = (reader.required_line(field) for field in ("username", "name", "unit", "role"))
        if unit and unit not in units:
            reader.refuse("unit", "没有这个单位，或者不归您管；可以写编码，也可以写全称")
        if role and role not in roles:
            reader.refuse("role", f"没有这个角色，可以写：{'、'.join(role_labels().values())}")
        if names.setdefault(username, name) != name:
            reader.refuse("name", f"同一个登录名，前面写的是{names[username]}")
        since = _since(act, reader)
        problems += reader.problems
        if username in taken:
            known += 1
        elif not reader.problems:
            row = AccountRow(each.number, username, name, units[unit], roles[role], reader.line("title"), since)
            rows.append(row)
    labels = {unit: word for word, unit in units.items()}
    return Reading(
        headings=(_("登录名"), _("姓名"), _("单位"), _("角色"), _("职务"), _("从哪天起")),
        rows=[
            (row.username, row.name, labels[row.unit_id], _(role_labels()[row.role]), row.title, row.since.isoformat())
            for row in rows
        ],
        values=rows,
        problems=problems,
        known=known,
    )


def _since(act: Act, reader: RowReader) -> date:
    """The day of the row; today where it says none."""
    calendar = current().calendar
    try:
        told = read_moment(reader.cell("since"), current().configuration.city.zone)
    except ValueError as error:
        reader.refuse("since", str(error))
        told = None
    return calendar.local_date(told.at) if told is not None else today(act)


@change(Account)
async def add_accounts(act: Act, rows: Sequence[AccountRow]) -> Account:
    """Add accounts with their posts, all of them or none. Raises `Invalid` naming the row that is refused."""
    accounts: dict[str, Account] = {}
    for row in rows:
        try:
            if row.username not in accounts:
                person = {"username": row.username, "name": row.name, "unit": row.unit_id}
                accounts[row.username] = await create_account(act, person)
            post = {"role": row.role, "unit": row.unit_id, "title": row.title, "since": row.since}
            await appoint(act, accounts[row.username].id, post)
        except (Invalid, Refused, Forbidden) as error:
            raise refused_row(row.row, error) from None
    return accounts[rows[0].username]
