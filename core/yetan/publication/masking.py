"""Hides what the public board must not show: personal numbers, plates, accounts and doors (C76).

Everything hidden becomes `*`, character for character, so a finding's place is the same before and after.
What helps a reader and points at nobody stays: a mobile number's first three digits, an area code, a plate's
city, a mail domain, the building. Masking proposes; the person who approves a publication decides.

Every pattern here is linear in the length of the text (C10).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from enum import StrEnum
from functools import partial

from msgspec import Struct

from yetan.i18n import message_ids


class FindingKind(StrEnum):
    """What was hidden. The value is stored; `label` is a message id for people."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    IDENTITY_NUMBER = "identity_number"
    BANK_CARD = "bank_card"
    PLATE = "plate"
    EMAIL = "email"
    ACCOUNT = "account"
    DOOR = "door"

    @property
    def label(self) -> str:
        """The Chinese name of the kind."""
        return _LABELS[self]


_LABELS = message_ids(
    {
        FindingKind.MOBILE: "手机号码",
        FindingKind.LANDLINE: "固定电话",
        FindingKind.IDENTITY_NUMBER: "身份证号",
        FindingKind.BANK_CARD: "银行卡号",
        FindingKind.PLATE: "车牌号",
        FindingKind.EMAIL: "电子邮箱",
        FindingKind.ACCOUNT: "微信号或 QQ 号",
        FindingKind.DOOR: "门牌房号",
    }
)


class Finding(Struct, frozen=True):
    """Something hidden: its kind, and which characters (`text[start:end]`, separators included) it covers."""

    kind: FindingKind
    start: int
    end: int


class Masked(Struct, frozen=True):
    """A text with what was found in it hidden; `findings` are in order and do not overlap."""

    text: str
    findings: tuple[Finding, ...]


def mask(text: str, *, keep: Collection[str] = ()) -> Masked:
    """Hide personal numbers in `text`, except those in `keep`: a unit's own telephones and mail addresses.

    A kept telephone is recognised however it is written: with or without area code, dashes or extension.
    Masking a masked text finds nothing more.
    """
    kept = _Kept(keep)
    folded = text.translate(_FOLDING)
    findings: list[Finding] = []
    while True:
        before = len(findings)
        for recognise in _RECOGNISERS:
            if found := list(recognise(folded, kept)):
                folded = _hide(folded, found)
                findings += found
        # One thing hidden may uncover another that it touched; stop when a whole round finds nothing.
        if len(findings) == before:
            break
    findings.sort(key=lambda finding: finding.start)
    return Masked(_hide(text, findings), tuple(findings))


def _hide(text: str, findings: Sequence[Finding]) -> str:
    parts: list[str] = []
    position = 0
    for finding in sorted(findings, key=lambda finding: finding.start):
        parts.append(text[position : finding.start])
        parts += ("*" if _is_telling(sign) else sign for sign in text[finding.start : finding.end])
        position = finding.end
    parts.append(text[position:])
    return "".join(parts)


def _is_telling(sign: str) -> bool:
    """Whether a character tells something, and is not one that joins numbers or extensions."""
    return sign.isalnum() and sign not in "转分机"


# People write the same number with full-width digits, a dozen dashes and several blanks. Folding keeps every
# character's place, so what is found in the folded text is hidden at the same place in the original.
_FOLDING = (
    {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
    | {ord(dash): "-" for dash in "‐‑‒–—―−﹣－─━"}
    | {ord(blank): " " for blank in "\t\u00a0\u2002\u2003\u2007\u2009\u200b\u200c\u200d\u202f\u2060\u3000\ufeff"}
    | {ord(dot): "·" for dot in "•・．･‧∙"}
    | dict(
        zip(
            map(ord, "滬雲遼魯蘇贛晉陝閩貴粵寧瓊掛學試領電話機熱線聯繫傳棟號樓單層門間組隊莊衚賬帳帐碼為"),
            "沪云辽鲁苏赣晋陕闽贵粤宁琼挂学试领电话机热线联系传栋号楼单层门间组队庄胡账账账码为",
            strict=True,
        )
    )
)


class _Kept:
    """The telephone numbers and mail addresses that may be shown."""

    def __init__(self, keep: Collection[str]) -> None:
        entries = [entry.translate(_FOLDING).strip() for entry in keep]
        self._addresses = {entry.casefold() for entry in entries if "@" in entry}
        self._telephones = [number for entry in entries for number in _numbers_in(f"电话:{entry}")]

    def number(self, number: _Number) -> bool:
        """Whether this number is a kept telephone; a landline may lack its area code, here or there."""
        if number.kind is FindingKind.LANDLINE:
            return any(
                kept.kind is number.kind
                and (kept.digits.endswith(number.digits) or number.digits.endswith(kept.digits))
                for kept in self._telephones
            )
        return any((kept.kind, kept.digits) == (number.kind, number.digits) for kept in self._telephones)

    def address(self, address: str) -> bool:
        """Whether this mail address is kept."""
        return address.casefold() in self._addresses


# --- Numbers made of digits -------------------------------------------------------------------------------
#
# A run is a stretch of digits with at most three separators between two of them; its groups are the digits
# between separators. Neighbouring groups are joined into the numbers they may be.

_RUN = re.compile(r"\d(?:[ \-.·()]{0,3}\d)*", re.ASCII)
_SHORTEST_NUMBER = 7
_GROUP = re.compile(r"\d+", re.ASCII)
_AMOUNT = re.compile(r" ?(?:元(?!旦|宵)|平方|平米|㎡|亩|吨)")


class _Run:
    """One run of digits in a text: its groups, and ways to join them."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.groups = [match.span() for match in _GROUP.finditer(text, start, end)]

    def joins(self, first: int, longest: int) -> Iterator[tuple[str, int]]:
        """The digits from the group `first` on, joined group by group to at most `longest`.

        With each comes the group after them.
        """
        digits = ""
        for after in range(first + 1, len(self.groups) + 1):
            start, end = self.groups[after - 1]
            digits += self.text[start:end]
            if len(digits) > longest:
                break
            yield digits, after

    def telephones(self, first: int, longest: int) -> Iterator[tuple[int, str, tuple[int, ...], int]]:
        """As `joins`, with and without a country code in front.

        Gives the country code's length, the national digits, their groups' widths and the group after them.
        """
        country_code = _COUNTRY_CODE.match(self.text, *self.groups[first])
        for skipped in (len(country_code[0]), 0) if country_code else (0,):
            for digits, after in self.joins(first, longest + skipped):
                width, *widths = self.widths(first, after)
                national = (width - skipped, *widths) if width > skipped else tuple(widths)
                yield skipped, digits[skipped:], national, after

    def widths(self, first: int, after: int) -> tuple[int, ...]:
        """How many digits each group has, from `first` until `after`."""
        return tuple(end - start for start, end in self.groups[first:after])

    def end(self, after: int) -> int:
        """Where the text stands behind the group before `after`."""
        return self.groups[after - 1][1]

    def behind(self, first: int, digits: int) -> int:
        """Where the text stands when the first `digits` digits from the group `first` on are read."""
        group = first
        while digits >= self.groups[group][1] - self.groups[group][0]:
            digits -= self.groups[group][1] - self.groups[group][0]
            group += 1
        return self.groups[group][0] + digits


class _Number(Struct, frozen=True):
    """A number in a run: where its hidden part lies, the group after it, and its digits (no extension)."""

    kind: FindingKind
    start: int
    end: int
    after: int
    digits: str


def _numbers(text: str, kept: _Kept) -> Iterator[Finding]:
    """Identity numbers, mobile and landline telephones, bank cards."""
    for number in _numbers_in(text):
        if not kept.number(number):
            yield Finding(number.kind, number.start, number.end)


def _numbers_in(text: str) -> Iterator[_Number]:
    telephone_end: int | None = None
    for match in _RUN.finditer(text):
        if match.end() - match.start() < _SHORTEST_NUMBER:
            continue
        run = _Run(text, *match.span())
        first = 0
        while first < len(run.groups):
            number = (
                _identity_number(run, first)
                or _mobile(run, first)
                or _bank_card(run, first)
                or _landline(run, first, telephone_end)
            )
            if number is None:
                first += 1
                continue
            yield number
            if number.kind in (FindingKind.MOBILE, FindingKind.LANDLINE):
                telephone_end = number.end
            first = number.after
            while first < len(run.groups) and run.groups[first][0] < number.end:  # an extension's groups
                first += 1


_TELEPHONE_BEFORE = re.compile(
    r"(?:电话|座机|固话|手机|热线|致电|拨打|来电|联系|咨询|传真|[Tt]el|TEL|[Pp]hone)[^\n。!?;]{0,16}$"
)
_TELEPHONE_BEHIND = re.compile(r"[ )]{0,2}(?:的?电话|打电话|打来|来电|咨询|联系)")
_AND = re.compile(r"[ \n]{0,2}(?:[、,/;.]|或者?|和|以?及|与)?[ \n]{0,2}")


def _said_to_be_telephone(text: str, start: int, end: int, telephone_end: int | None) -> bool:
    """Whether `text[start:end]` is a telephone: by a word near it, its brackets, or one listed before."""
    return (
        (telephone_end is not None and _AND.fullmatch(text, telephone_end, start) is not None)
        or _TELEPHONE_BEFORE.search(text, max(0, start - 20), start) is not None
        or _TELEPHONE_BEHIND.match(text, end) is not None
        or (text[start - 1 : start], text[end : end + 1]) == ("(", ")")
    )


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return date(int(year), int(month), int(day)).year >= 1880
    except ValueError:
        return False


_MOST_GROUPS = 6
_CHECK_SIGN = re.compile(r"[ \-]?[Xx×*](?![A-Za-z\d])")
# Provinces as in GB/T 2260; asked of 15-digit numbers only, whose date alone proves little.
_PROVINCE = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]")


def _identity_number(run: _Run, first: int) -> _Number | None:
    """18 digits (the last may be X), or 15 of the older kind, holding a plausible date of birth."""
    start = run.groups[first][0]
    found: _Number | None = None
    for digits, after in run.joins(first, 18):
        end = run.end(after)
        if after - first > _MOST_GROUPS and set(run.widths(first, after)) != {1}:
            continue  # a list of figures
        if len(digits) >= 17 and digits[0] != "0" and _is_date(digits[6:10], digits[10:12], digits[12:14]):
            check_sign = _CHECK_SIGN.match(run.text, end) if len(digits) == 17 else None
            if len(digits) == 18 or check_sign:
                end = check_sign.end() if check_sign else end
                found = _Number(FindingKind.IDENTITY_NUMBER, start, end, after, digits)
        elif (
            len(digits) == 15 and _PROVINCE.match(digits) and _is_date("19" + digits[6:8], digits[8:10], digits[10:12])
        ):
            found = _Number(FindingKind.IDENTITY_NUMBER, start, end, after, digits)
    return found


_COUNTRY_CODE = re.compile(r"(?:00)?86")
_MOBILE = re.compile(r"1[3-9]\d{9}")
# How people group a mobile number's eleven digits; other groupings are dates, times and lists of figures.
_MOBILE_WIDTHS = {
    (11,),
    (3, 8),
    (7, 4),
    (5, 6),
    (6, 5),
    (3, 4, 4),
    (3, 3, 5),
    (3, 5, 3),
    (4, 3, 4),
    (4, 4, 3),
    (3, 2, 3, 3),
    (3, 4, 2, 2),
    (3, 2, 2, 2, 2),
    (1,) * 11,
}


def _mobile(run: _Run, first: int) -> _Number | None:
    """Eleven digits beginning 13-19, after 86, +86 or 0086 or without; the first three stay readable."""
    for skipped, digits, widths, after in run.telephones(first, 11):
        end = run.end(after)
        if _MOBILE.fullmatch(digits) and widths in _MOBILE_WIDTHS and not _AMOUNT.match(run.text, end):
            start = run.behind(first, skipped + 3)
            return _Number(FindingKind.MOBILE, start, end, after, digits)
    return None


def _bank_card(run: _Run, first: int) -> _Number | None:
    """16 to 19 digits with a right Luhn check digit, whole or in fours, that do not begin like a year."""
    found: _Number | None = None
    for digits, after in run.joins(first, 19):
        *widths, last = run.widths(first, after)
        in_fours = all(width == 4 for width in widths) and (last <= 4 or not widths)
        if (
            len(digits) >= 16
            and (in_fours or widths == [6])
            and digits[0] != "0"
            and digits[:2] not in ("19", "20")
            and _passes_luhn(digits)
        ):
            start, end = run.groups[first][0], run.end(after)
            found = _Number(FindingKind.BANK_CARD, start, end, after, digits)
    return found


def _passes_luhn(digits: str) -> bool:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[::-2]))) % 10 == 0


_LANDLINE = re.compile(r"(?P<area>010|02\d|0[3-9]\d\d)[2-9]\d{6,7}")
_LANDLINE_FROM_ABROAD = re.compile(r"(?P<area>0?(?:10|2\d|[3-9]\d\d))[2-9]\d{6,7}")
_LOCAL_WIDTHS = {(7,), (8,), (4, 4), (3, 4)}
# Two years (2019-2025) or a date: eight digits that are no telephone.
_YEARS = re.compile(r"20\d\d(?:(?:19|20)\d\d|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))")
_EXTENSION = re.compile(r" ?(?:-|转|分机) ?\d{1,6}(?!\d)")


def _landline(run: _Run, first: int, telephone_end: int | None) -> _Number | None:
    """A number with its area code, which stays readable; a local one where it is said to be a telephone."""
    found: _Number | None = None
    for skipped, digits, widths, after in run.telephones(first, 12):
        end = run.end(after)
        area = (_LANDLINE_FROM_ABROAD if skipped else _LANDLINE).fullmatch(digits)
        if area:
            in_order = len(widths) == 1 or (widths[0] == area.end("area") and widths[1:] in _LOCAL_WIDTHS)
        else:
            in_order = (
                not skipped
                and widths in _LOCAL_WIDTHS
                and digits[0] > "1"
                and not _YEARS.fullmatch(digits)
                and _said_to_be_telephone(run.text, run.groups[first][0], end, telephone_end)
            )
        if not in_order or _AMOUNT.match(run.text, end):
            continue
        start = run.behind(first, skipped + (area.end("area") if area else 0))
        if extension := _EXTENSION.match(run.text, end):
            end = extension.end()
        found = _Number(FindingKind.LANDLINE, start, end, after, digits)
    return found


# --- Accounts and plates ----------------------------------------------------------------------------------

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])(?P<secret>[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63})"
    r"@[A-Za-z0-9\-]{1,63}(?:[.·][A-Za-z0-9\-]{1,63}){1,8}"
)


def _emails(text: str, kept: _Kept) -> Iterator[Finding]:
    """Mail addresses; the domain stays readable."""
    for match in _EMAIL.finditer(text):
        if not kept.address(match[0]):
            yield Finding(FindingKind.EMAIL, *match.span("secret"))


_ACCOUNT = re.compile(
    r"(?:微信|薇信|威信|[Vv]信|VX|vx|Vx|[Ww]e[Cc]hat|WECHAT|[Ww]eixin|QQ|qq|扣扣)"
    r"(?P<said>群?(?:号码?|账号|ID|id)?[是为]?[ :]{0,4}[\"“”「『(【\[]?)"
    r"(?P<secret>[A-Za-z][A-Za-z0-9_\-]{5,19}|\d{5,11})(?![A-Za-z0-9_@])"
)
_DIGIT_OR_JOINT = re.compile(r"[\d_\-]")
_PUBLIC_ACCOUNT = re.compile(r"公众号|公众平台|小程序|视频号|服务号|订阅号")


def _accounts(text: str, kept: _Kept) -> Iterator[Finding]:
    """WeChat and QQ accounts, but not the public accounts of offices."""
    for match in _ACCOUNT.finditer(text):
        # A word of letters alone is an account only where something says so: 微信：zhangsan, not 微信Android.
        named = match["said"].strip() or _DIGIT_OR_JOINT.search(match["secret"])
        if named and not _PUBLIC_ACCOUNT.search(text, max(0, match.start() - 10), match.start()):
            yield Finding(FindingKind.ACCOUNT, *match.span("secret"))


_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼] ?[A-Za-z][ ·.\-]{0,2}(?P<secret>"
    r"[DFdf][A-HJ-NP-Za-hj-np-z0-9]\d{4}|\d{5}[DFdf]"  # new-energy vehicles have six places
    r"|[A-HJ-NP-Za-hj-np-z0-9]{4}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳试超领])(?![A-Za-z0-9])"
)


def _plates(text: str, kept: _Kept) -> Iterator[Finding]:
    """Vehicle plates; province and city stay readable."""
    for match in _PLATE.finditer(text):
        if any(sign.isdigit() for sign in match["secret"]):
            yield Finding(FindingKind.PLATE, *match.span("secret"))


# --- Doors ------------------------------------------------------------------------------------------------

_COUNT = r"(?:\d{1,3}|[一二三四五六七八九十百]{1,4})"
_BUILDING = (
    r"(?:[\dA-Za-z一二三四五六七八九十百东南西北甲乙丙丁](?:栋楼?|幢楼?|座|号楼|#楼?)" + rf"|{_COUNT}单元)"
    rf"(?:[ \-]{{0,2}}{_COUNT}单元)?(?:[ \-]{{0,2}}{_COUNT}[楼层])?[ \-]{{0,2}}第?"
)
# Followed by one of these, figures behind a building are a year, an amount or another thing's number.
_NO_ROOM = (
    r"(?![\dA-Za-z%㎡+]|\.\d| ?(?:年|月|日|平|多|余|户|个|人|名|位|米|层|楼|栋|幢|座|单元|期|万|亿|元|套|间"
    r"|部|台|伏|吨|度|点|分|门面|商铺|号?(?:楼|电梯|线|门|机|铺|车|井|文件|令)))"
)
_DOORS = tuple(
    re.compile(pattern)
    for pattern in (
        # 3栋2单元1502室, 5号楼1203、1204; fewer figures, or Chinese ones, only where a word says it is a door
        rf"{_BUILDING}(?P<secret>\d{{3,4}}[A-Ha-h]?{_NO_ROOM}(?:[、,/~\-]\d{{3,4}}[A-Ha-h]?{_NO_ROOM}){{0,9}})",
        rf"{_BUILDING}(?P<secret>\d{{1,2}}|[〇零一二三四五六七八九十]{{1,5}})(?:室|房(?![屋产地])|号{_NO_ROOM})",
        # 12-3-502
        r"(?<![\d\-])\d{1,2}-\d{1,2}-(?P<secret>(?!(?:19|20)\d\d(?!室))\d{3,4})(?![\d\-])",
        # 桂花村三组28号, 新建巷4号, 门牌号12
        rf"(?:[组村队屯寨庄巷]|胡同)(?P<secret>\d{{1,4}}|[一二三四五六七八九十百]{{1,5}})号(?!院|工|公|通|文|台|站|桥){_NO_ROOM}",
        r"门牌(?:号码?)?[为是: ]{0,3}(?P<secret>\d{1,5})(?!\d)",
    )
)
_ROOM = re.compile(r"(?<![\d.])(?P<secret>[A-Ha-h]?\d{3,4}[A-Ha-h]?)(?:室|房(?![产地改]))")
_HOME_OR_OFFICE = re.compile(
    r"(?P<home>小区|花园|苑|家园|公寓|宿舍|栋|幢|单元|家)|局|院|办|厅|委|政府|中心|大厅|大厦|站|所|科|校|公司|商铺|门面|酒店|宾馆"
)


def _doors(pattern: re.Pattern[str], text: str, kept: _Kept) -> Iterator[Finding]:
    """The number of a flat, or of a house in a village or lane; the building and the lane stay readable."""
    for match in pattern.finditer(text):
        yield Finding(FindingKind.DOOR, *match.span("secret"))


def _rooms(text: str, kept: _Kept) -> Iterator[Finding]:
    """1502室 with no building before it, unless the nearest word that tells says that it is an office."""
    for match in _ROOM.finditer(text):
        told_by = list(_HOME_OR_OFFICE.finditer(text, max(0, match.start() - 16), match.start()))
        if not told_by or told_by[-1]["home"]:
            yield Finding(FindingKind.DOOR, *match.span("secret"))


# Each sees what those before it left: addresses before the numbers inside them, buildings before bare rooms.
_RECOGNISERS: tuple[Callable[[str, _Kept], Iterator[Finding]], ...] = (
    _emails,
    _accounts,
    _plates,
    _numbers,
    *(partial(_doors, pattern) for pattern in _DOORS),
    _rooms,
)
