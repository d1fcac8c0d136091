"""Reading a town's ledger of issues: whichever columns it keeps, every row or the reason why not (C29).

Nothing here knows the database. A row that cannot go in is refused with all its reasons, each naming the
row as Excel numbers it, the column and the value; what is odd but true to the source goes in with a
warning.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

from msgspec import Struct, field

from yetan.issues.categories import path_name
from yetan.issues.fingerprint import fingerprint_of
from yetan.spreadsheets import (
    Cell,
    Column,
    Columns,
    Moment,
    RowProblem,
    RowReader,
    SpreadsheetError,
    Table,
    TableRow,
    cell_line,
    cell_text,
    read_moment,
    shorten,
    unique_heading,
    write_xlsx,
)

#: The column that `refused_table` adds; a ledger that comes back with it is read as if it were not there.
REASON_HEADING = "未导入原因"

#: How much of a text becomes the title where there is none.
_TITLE_FROM_TEXT = 30

#: Between the levels of a category written in one cell.
_CATEGORY_SEPARATOR = re.compile(r"\s*[/／>＞→|\\-]+\s*|—+")

_ROW_COUNTER = "序号"

#: What other programs put before digits so that Excel keeps them as text.
_TEXT_MARKS = "'`\t"

LEDGER_COLUMNS = (
    Column(
        "source_number",
        "编号",
        "留言编号 工单编号 工单号 工单流水号 流水号 受理编号 受理单号 信件编号 来信编号 诉求编号 诉求单号 "
        "事项编号 问题编号 登记编号 信访编号 台账编号 案件编号 件号 编号 单号 查询码 ID 序号",
        60,
    ),
    Column(
        "title",
        "标题",
        "留言主题 留言标题 信件标题 来信标题 诉求标题 工单标题 事项标题 事项名称 问题标题 问题名称 标题 主题 事由",
        200,
    ),
    Column(
        "text",
        "内容",
        "留言详情 留言内容 反映内容 反映问题 反映的问题 反映情况 诉求内容 来信内容 信件内容 信访内容 "
        "工单内容 事项内容 问题内容 问题描述 问题详情 诉求描述 主要内容 主要诉求 具体问题 具体内容 内容 "
        "详情 正文 问题",
        20_000,
    ),
    Column(
        "raised_at",
        "反映时间",
        "留言时间 留言日期 反映时间 反映日期 来信时间 来信日期 写信时间 来电时间 来访时间 来访日期 "
        "诉求时间 提出时间 提出日期 提交时间 受理时间 受理日期 登记时间 登记日期 收件时间 接谈时间 "
        "夜谈时间 夜谈日期 创建时间 发布时间 时间 日期",
    ),
    Column(
        "reply",
        "答复",
        "答复意见 答复内容 回复意见 回复内容 办理结果 处理结果 办结意见 处理意见 办理意见 办理情况 "
        "处理情况 办结情况 反馈结果 反馈内容 答复 回复 结果",
        20_000,
    ),
    Column(
        "replied_at",
        "答复时间",
        "答复时间 答复日期 回复时间 回复日期 办结时间 办结日期 办理时间 办理日期 处理时间 反馈时间 "
        "反馈日期 完成时间 完成日期",
    ),
    Column(
        "reporter",
        "反映人",
        "留言用户 留言人 留言者 反映人 反映人姓名 诉求人 诉求人姓名 来信人 写信人 信访人 来电人 来访人 "
        "来访者 投诉人 提出人 申请人 联系人 群众姓名 户主 姓名 用户 昵称 网名",
        100,
    ),
    Column(
        "phone",
        "联系电话",
        "联系电话 联系方式 联系号码 手机号码 手机号 手机 电话号码 来电号码 反映人电话 留言人电话 诉求人电话 电话",
        50,
    ),
    Column(
        "place",
        "地点",
        "事发地点 事发地址 事件地址 事件地点 问题地点 问题地址 诉求地址 反映地址 发生地点 发生地址 "
        "详细地址 具体地址 具体位置 地点 地址 位置",
        200,
    ),
    Column("category_1", "一级分类", "一级分类 一级类别 一级标签 一级目录 分类一级 大类 诉求大类", 60),
    Column("category_2", "二级分类", "二级分类 二级类别 二级标签 二级目录 分类二级 中类 小类", 60),
    Column("category_3", "三级分类", "三级分类 三级类别 三级标签 三级目录 分类三级 细类", 60),
    Column(
        "category",
        "分类",
        "问题分类 诉求分类 留言分类 事项分类 内容分类 工单分类 问题类别 诉求类别 留言类别 事项类别 分类 类别",
        182,
    ),
    Column(
        "unit",
        "所属单位",
        "村（社区） 村（居） 村居 村社 所属村（社区） 所属村居 所属单位 所属社区 所属村 所属区域 所属地区 "
        "所属辖区 所在村（社区） 问题属地 事发属地 属地 乡镇（街道） 镇（街道） 镇街 社区 村 辖区 区域 "
        "单位",
        80,
    ),
    Column(
        "responsible_unit",
        "承办单位",
        "承办单位 承办部门 主办单位 主办部门 办理单位 办理部门 责任单位 责任部门 处理单位 处理部门 "
        "答复单位 回复单位 交办单位",
        80,
    ),
    Column(
        "kind",
        "类型",
        "留言类型 诉求类型 信件类型 来信类型 事项类型 工单类型 问题类型 问题性质 诉求性质 类型",
        30,
    ),
    Column(
        "state",
        "办理状态",
        "办理状态 处理状态 工单状态 办结状态 答复状态 回复状态 办理进度 是否办结 进度 状态",
        40,
    ),
)


class LedgerRow(Struct, frozen=True):
    """One issue as the ledger tells it. Times are UTC, each with how exactly it was told.

    Precisions are "day", "minute" or "second". `category` is the path from the top, as far as it was given.
    `extra` keeps, under their headings, the cells of columns that no field takes. `raised_at` is None where
    the ledger has none. `fingerprint` is shared by rows of the same text.
    """

    row: int
    source_number: str
    title: str
    text: str
    fingerprint: str
    reporter: str = ""
    phone: str = ""
    place: str = ""
    raised_at: datetime | None = None
    raised_precision: str = ""
    reply: str = ""
    replied_at: datetime | None = None
    replied_precision: str = ""
    category: tuple[str, ...] = ()
    unit: str = ""
    responsible_unit: str = ""
    kind: str = ""
    state: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


class RefusedRow(Struct, frozen=True):
    """A row that cannot go in: its cells as they came and everything that speaks against it."""

    row: int
    cells: tuple[Cell, ...]
    problems: tuple[RowProblem, ...]


class Ledger(Struct, frozen=True):
    """A read ledger. `columns` maps each field found to the heading it was found under.

    `unknown_columns` are headings of columns that no field takes and that hold anything: kept in `extra`,
    to be shown to the person. `notes` are remarks on the file as a whole, in Chinese.
    """

    headings: tuple[str, ...]
    columns: Mapping[str, str]
    rows: tuple[LedgerRow, ...]
    refused: tuple[RefusedRow, ...]
    warnings: tuple[RowProblem, ...]
    unknown_columns: tuple[str, ...]
    notes: tuple[str, ...]


def ledger_columns(mapping: Mapping[str, str] | None = None) -> Columns:
    """What to look for in a ledger, for `read_table` and `parse_ledger`, with a town's own `mapping`."""
    return Columns(LEDGER_COLUMNS, mapping or {})


def read_mapping(text: str, filename: str) -> dict[str, str]:
    """A town's own headings from TOML lines such as `"工单流水" = "source_number"`.

    Raises SpreadsheetError naming every line that means no field.
    """
    try:
        lines = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        how = '每行应写成 "表头" = "字段"。'
        raise SpreadsheetError(f"映射文件“{filename}”读不懂：{error}。{how}") from error
    labels = {column.field: column.label for column in LEDGER_COLUMNS}
    wrong = [f"“{heading}”= {name!r}" for heading, name in lines.items() if str(name) not in labels]
    if wrong:
        known = "、".join(f"{name}（{label}）" for name, label in labels.items())
        raise SpreadsheetError(f"映射文件“{filename}”里这些字段不存在：{'；'.join(wrong)}。可用的字段：{known}。")
    return lines


def read_mapping_file(path: Path) -> dict[str, str]:
    """As `read_mapping`, from a UTF-8 file."""
    try:
        return read_mapping(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise SpreadsheetError(f"映射文件“{path.name}”不是 UTF-8 编码。请另存为 UTF-8 后再试。") from error


def parse_ledger(table: Table, columns: Columns, time_zone: tzinfo, *, now: datetime) -> Ledger:
    """The issues in `table`. `time_zone` is that of its local times; nothing in it is later than `now`.

    Raises SpreadsheetError where the number, or both title and text, have no column.
    """
    found = columns.require(table, ("source_number",), ("title", "text"))
    reading = _Reading(table, columns, found, time_zone, now)
    for row in table.rows:
        reading.take(row)
    return reading.ledger()


def refused_table(ledger: Ledger) -> bytes:
    """An XLSX of the refused rows as they came, reasons in a last column: to correct and import again."""
    own = _own_columns(ledger.headings)
    rows = (
        (
            *(refused.cells[index] for index in own),
            "\n".join(_reason(problem) for problem in refused.problems),
        )
        for refused in ledger.refused
    )
    return write_xlsx((*(ledger.headings[index] for index in own), REASON_HEADING), rows)


def _own_columns(headings: Sequence[str]) -> list[int]:
    """The columns of the ledger itself, without the reasons of an earlier import."""
    return [index for index, heading in enumerate(headings) if heading != REASON_HEADING]


def _reason(problem: RowProblem) -> str:
    return f"{problem.heading}：{problem.reason}" if problem.heading else problem.reason


class _Reading:
    """One pass over a ledger: what was found so far."""

    def __init__(
        self, table: Table, columns: Columns, found: Mapping[str, int], time_zone: tzinfo, now: datetime
    ) -> None:
        self.table = table
        self.columns = columns
        self.found = found
        self.time_zone = time_zone
        self.now = now
        self.rows: list[LedgerRow] = []
        self.refused: list[RefusedRow] = []
        self.warnings: list[RowProblem] = []
        #: The row that had each source number first.
        self.numbers: dict[str, int] = {}
        self.unknown = {
            index: unique_heading(table, index)
            for index in _own_columns(table.headings)
            if index not in found.values() and any(cell_text(row.cells[index]) for row in table.rows)
        }

    def take(self, row: TableRow) -> None:
        """Read one row into an issue or a refusal."""
        reader = RowReader(self.table, self.columns, self.found, row)
        issue = self._issue(reader)
        if reader.problems:
            self.refused.append(RefusedRow(row.number, row.cells, tuple(reader.problems)))
        else:
            self.rows.append(issue)
            self.warnings += reader.warnings

    def ledger(self) -> Ledger:
        """All that was read."""
        return Ledger(
            headings=self.table.headings,
            columns={name: self.table.heading(index) for name, index in self.found.items()},
            rows=tuple(self.rows),
            refused=tuple(self.refused),
            warnings=tuple(self.warnings),
            unknown_columns=tuple(self.unknown.values()),
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        headings, columns = self.table.headings, self.columns
        absent = [f"“{name}”" for name in columns.mapping if not columns.written(name, headings)]
        if absent:
            yield f"映射文件里的{'、'.join(absent)}在表头里没有，请核对写法。"
        if self.table.headings[self.found["source_number"]] == _ROW_COUNTER:
            yield (
                "没有找到编号列，用了“序号”。下一份表如果又从 1 编起，会被当成已经导入过的；"
                "请改用不会重复的编号，或换一个来源名称。"
            )

    def _issue(self, reader: RowReader) -> LedgerRow:
        number = self._source_number(reader)
        title, text = reader.line("title"), reader.text("text")
        if not title and not text:
            reader.refuse("text" if "text" in self.found else "title", "标题和内容都是空的")
        raised, replied = self._moment(reader, "raised_at"), self._moment(reader, "replied_at")
        if "raised_at" in self.found and not cell_line(reader.cell("raised_at")):
            reader.warn("raised_at", "没有写反映时间")
        if raised and replied and replied.before(raised, self.time_zone):
            told = shorten(reader.cell("raised_at"))
            reader.refuse("replied_at", f"早于反映时间（{told}），请核对哪一个写错了")
        reply = reader.text("reply")
        if replied and not reply:
            reader.warn("replied_at", "有答复时间，没有答复内容")
        return LedgerRow(
            row=reader.row.number,
            source_number=number,
            title=title or cell_line(text)[:_TITLE_FROM_TEXT],
            text=text,
            fingerprint=fingerprint_of(title, text),
            reporter=reader.line("reporter"),
            phone=reader.line("phone").lstrip(_TEXT_MARKS),
            place=reader.line("place"),
            raised_at=raised.at if raised else None,
            raised_precision=raised.precision if raised else "",
            reply=reply,
            replied_at=replied.at if replied else None,
            replied_precision=replied.precision if replied else "",
            category=self._category(reader),
            unit=reader.line("unit"),
            responsible_unit=reader.line("responsible_unit"),
            kind=reader.line("kind"),
            state=reader.line("state"),
            extra={
                heading: kept for index, heading in self.unknown.items() if (kept := cell_text(reader.row.cells[index]))
            },
        )

    def _source_number(self, reader: RowReader) -> str:
        number = reader.required_line("source_number").lstrip(_TEXT_MARKS)
        cell = reader.cell("source_number")
        if isinstance(cell, float) and abs(cell) >= 10**15:
            # Excel keeps 15 digits of a number; what told two rows apart may be gone.
            reader.refuse("source_number", "超过 15 位的编号存成了数字，末尾几位已丢失，请按文本格式重新导出")
        first = self.numbers.setdefault(number, reader.row.number)
        if number and first != reader.row.number:
            reader.refuse("source_number", f"编号与第 {first} 行重复")
        return number

    def _moment(self, reader: RowReader, name: str) -> Moment | None:
        try:
            moment = read_moment(reader.cell(name), self.time_zone)
        except ValueError as error:
            reader.refuse(name, str(error))
            return None
        if moment and moment.at > self.now:
            reader.refuse(name, "是将来的时间，请核对")
        return moment

    def _category(self, reader: RowReader) -> tuple[str, ...]:
        """The path, from the three columns of levels or from one column with the levels between slashes."""
        levels = [path_name(reader.line(name)) for name in ("category_1", "category_2", "category_3")]
        path = tuple(filter(None, levels))
        if not path:
            return tuple(filter(None, _CATEGORY_SEPARATOR.split(reader.line("category"))))
        if path != tuple(levels[: len(path)]):
            reader.warn("category_1", "缺少上级分类")
        return path
