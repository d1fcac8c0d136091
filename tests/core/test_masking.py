"""What the public board must not show, written as people write it, and what must stay (C76, C10)."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yetan.publication import masking
from yetan.publication.masking import FindingKind, mask

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def mobile(rng: random.Random) -> str:
    number = rng.choice(["13", "14", "15", "16", "17", "18", "19"]) + digits(rng, 9)
    joint = rng.choice(["", "", " ", "-", "－", "—", "\u00a0", ".", " - "])
    parts = rng.choice([(3, 4, 4), (3, 4, 4), (4, 3, 4), (3, 3, 5), (3, 8), (5, 6)])
    pieces, at = [], 0
    for part in parts:
        pieces.append(number[at : at + part])
        at += part
    written = rng.choice(["", "", "+86", "+86 ", "86-", "0086 ", "86"]) + joint.join(pieces)
    return full_width(written) if rng.random() < 0.2 else written


def landline(rng: random.Random) -> str:
    area, length = rng.choice([("010", 8), ("021", 8), ("0731", 8), ("0598", 7), ("0735", 7), ("0592", 7)])
    local = rng.choice("2345678") + digits(rng, length - 1)
    written = rng.choice(["{}-{}", "{}{}", "({}){}", "（{}）{}", "{} {}", "{}——{}", "+86 {}-{}"]).format(area, local)
    return written + rng.choice(["", "", "-801", "转8012"])


def birth(rng: random.Random) -> tuple[int, int, int]:
    return rng.randint(1930, 2019), rng.randint(1, 12), rng.randint(1, 28)


def identity_number(rng: random.Random) -> str:
    area = rng.choice(["350402", "430102", "110101", "330381", "650102", "820000"])
    year, month, day = birth(rng)
    pieces = (area, f"{year}{month:02}{day:02}", digits(rng, 3) + rng.choice("0123456789Xx"))
    written = rng.choice(["", "", " ", "-"]).join(pieces)
    return full_width(written) if rng.random() < 0.2 else written


def old_identity_number(rng: random.Random) -> str:
    year, month, day = birth(rng)
    return rng.choice(["350402", "430102"]) + f"{year % 100:02}{month:02}{day:02}{digits(rng, 3)}"


def bank_card(rng: random.Random) -> str:
    number = rng.choice(["62", "4", "5", "3", "9"]) + digits(rng, rng.choice([13, 14, 15, 16]))
    number = number.ljust(15, "7")
    check = next(sign for sign in "0123456789" if masking._passes_luhn(number + sign))
    number += check
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4)) if rng.random() < 0.4 else number


def plate(rng: random.Random) -> str:
    city = rng.choice("京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊")
    start = city + rng.choice(LETTERS) + rng.choice(["", "", "·", "•", " ", "-", "."])
    kind = rng.randrange(4)
    if kind == 0:
        rest = digits(rng, 5)
    elif kind == 1:
        rest = rng.choice(LETTERS) + digits(rng, 1) + rng.choice(LETTERS) + digits(rng, 2)
    elif kind == 2:
        rest = rng.choice("DF") + digits(rng, 5)
    else:
        rest = digits(rng, 5) + rng.choice("DF")
    written = start + rest
    return written.lower() if rng.random() < 0.2 else written


def email(rng: random.Random) -> str:
    name = rng.choice(["zhao.liu", "lin_xm", "a1", "night-talk2020", "13812345678", "chen+gov"])
    return f"{name}{rng.randrange(100)}@{rng.choice(['qq.com', '163.com', 'mail.sm.example', 'foxmail.com'])}"


def account(rng: random.Random) -> str:
    name = rng.choice(["linxiaoming", "lin_1988", "wxid_a8x2k9", "123456", "98765432101"[: rng.randint(6, 10)]])
    said = rng.choice(
        ["微信：", "微信号", "微信号：", "微信号是", "微信号碼:", "QQ：", "QQ号", "qq:", "扣扣号:", "VX："]
    )
    return said + name


def door(rng: random.Random) -> str:
    building = rng.choice(["3栋", "12幢", "5号楼", "A座", "8棟", "三栋", "6#", "B2栋"])
    unit = rng.choice(["", "2单元", "二單元", "1单元5楼"])
    room = rng.choice(["1502室", "305", "1203房", "804号", "2101業主", "五零二室", "1502B室", "102、103室"])
    return rng.choice([building + unit + room, "2单元" + room, "3-2-" + rng.choice(["502", "1203"]), "石咀组217号"])


GENERATORS: list[tuple[FindingKind, Callable[[random.Random], str]]] = [
    (FindingKind.MOBILE, mobile),
    (FindingKind.LANDLINE, landline),
    (FindingKind.IDENTITY_NUMBER, identity_number),
    (FindingKind.IDENTITY_NUMBER, old_identity_number),
    (FindingKind.BANK_CARD, bank_card),
    (FindingKind.PLATE, plate),
    (FindingKind.EMAIL, email),
    (FindingKind.ACCOUNT, account),
    (FindingKind.DOOR, door),
]
FRAMES = [
    "{}",
    "我的号码是{}，请回复。",
    "2019年5月12日晚，{}反映路灯不亮",
    "（{}）",
    "联系人林某{}。\n谢谢！",
    "一是{}；二是其他",
    "请致电 {} 咨询",
    "*{}*",
    "家住A区{}附近，有12户",
]
# Readable on purpose: what stands before the hidden part.
READABLE = {
    FindingKind.MOBILE: 3,
    FindingKind.LANDLINE: 4,
    FindingKind.PLATE: 0,
    FindingKind.IDENTITY_NUMBER: 0,
    FindingKind.BANK_CARD: 0,
}


def is_hidden(kind: FindingKind, secret: str, masked: str) -> bool:
    """Whether no more of the generated secret is readable than is meant to be."""
    plain = masked.translate(masking._FOLDING)
    if kind in READABLE:
        readable = sum(sign.isdigit() for sign in plain)
        allowed = READABLE[kind] + (4 if plain.lstrip("(").startswith(("+86", "86", "0086")) else 0)
        return readable <= allowed
    if kind is FindingKind.EMAIL:
        return plain.split("@")[0].strip("*.+-_") == ""
    if kind is FindingKind.ACCOUNT:
        return re.search(r"[A-Za-z\d]{3}", plain[2:]) is None
    return re.search(r"\d{3}|[零]", plain) is None


@pytest.mark.parametrize(("kind", "generate"), GENERATORS, ids=lambda part: getattr(part, "__name__", None))
def test_recall_on_generated_cases(kind: FindingKind, generate: Callable[[random.Random], str]) -> None:
    rng = random.Random(76)
    missed = []
    for _ in range(300):
        secret, frame = generate(rng), rng.choice(FRAMES)
        text = frame.format(secret)
        start = text.index(secret)
        masked = mask(text)
        hidden = masked.text[start : start + len(secret)]
        if not is_hidden(kind, secret, hidden):
            missed.append((text, masked.text))
    assert len(missed) <= 3, missed[:10]


@given(st.text() | st.text(alphabet="0123456789138 -—.()（）、·*XxA湘栋单元室号组@微信QQ:元年电话转+８"))
@settings(deadline=None, max_examples=200)
def test_masking_twice_changes_nothing_and_keeps_every_place(text: str) -> None:
    masked = mask(text)
    assert mask(masked.text) == masking.Masked(masked.text, ())
    assert len(masked.text) == len(text)
    position = 0
    for finding in masked.findings:
        assert position <= finding.start < finding.end <= len(text)
        assert masked.text[position : finding.start] == text[position : finding.start]
        assert "*" in masked.text[finding.start : finding.end]
        position = finding.end
    assert masked.text[position:] == text[position:]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("请拨打13812345678。", "请拨打138********。"),
        ("１３８－１２３４－５６７８", "１３８－****－****"),
        ("\u202d138 1234 5678\u202c", "\u202d138 **** ****\u202c"),
        ("1.13812345678", "1.138********"),
        ("13812345678、13987654321", "138********、139********"),
        ("0598-8881234/8881235转12", "0598-*******/*******转**"),
        ("联系电话：8881234、8881235", "联系电话：*******、*******"),
        ("请拨打12369或4240917", "请拨打12369或*******"),
        ("向国土局（4233768）、公路局（4321020）咨询", "向国土局（*******）、公路局（*******）咨询"),
        ("身份证 350402 19800229 123X", "身份证 ****** ******** ****"),
        ("3栋2单元1502室", "3栋2单元****室"),
        ("住5号楼1203、1204房", "住5号楼****、****房"),
        ("桂花村三组28号", "桂花村三组**号"),
        ("桂花小区302室漏水，楼上402房", "桂花小区***室漏水，楼上***房"),
        ("市政府2楼家属楼对面宿舍504室", "市政府2楼家属楼对面宿舍***室"),
        ("3栋302A101室", "3栋*******室"),  # hiding the second number uncovers the first
        ("湘A·12345和粵B D12345", "湘A·*****和粵B ******"),
        ("lin.xm@qq.com", "***.**@qq.com"),
        ("微信同号13812345678", "微信同号138********"),
    ],
)
def test_what_is_hidden_and_what_stays(text: str, masked: str) -> None:
    assert mask(text).text == masked


@pytest.mark.parametrize(
    "text",
    [
        "2019年5月9日，2018-2019学年，2026-02-14 19:30",
        "《关于夜谈的意见》（明委办〔2019〕12号）、长发﹝2019﹞2号",
        "受理编号201905080001234，工单20190508",
        "《总体规划（2003-2020）》、电话咨询（2018—2019）、(20190508)",
        "市长热线12345、110、119、120、12315、12319",
        "总投资13800000000元，其中1500万元；每平方米12000-15000元",
        "面积45100平方米，182.4645亩，共10栋460户",
        "GB3096-2008、GB50337-2003、cjj179-2012",
        "网友“A00045581”“UU0081432”您好",
        "5栋17层电梯，3栋2018年交房，4栋36户未办证，第2单元12户",
        "县委大院3楼321室、教育局225室、政务中心402室",
        "201路、805路公交车，107国道，2号线",
        "客服400-888-1234，短号96322",
        "公式1500*3=4500，比例99.13812%",
        "关注微信公众号（微信号：cssbwg），微信Android版",
        "路长350402米，深199米",
        "解放路128号门口路灯不亮，村2号线停电",
        "1栋31+1层，商铺-117，B2栋155门面",
        "身份证号350402199913411234",  # no such month
        "对照表：1 2 3 4 5 6 7 8 9 10 11 12 13",
        "来电时间20190508，编号0000-00000000",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert mask(text) == masking.Masked(text, ())


@pytest.mark.parametrize(
    "written",
    [
        "0598-8881234",
        "05988881234",
        "（0598）8881234",
        "电话8881234",
        "0598－8881234转801",
        "+86 598 8881234",
    ],
)
def test_a_kept_landline_stays_however_it_is_written(written: str) -> None:
    assert mask(f"请咨询{written}。", keep=["0598-8881234"]).findings == ()
    assert mask(f"请咨询{written}。", keep=["0598-8881235"]).findings != ()


def test_a_kept_local_number_does_not_open_a_mobile_number() -> None:
    assert mask("13888812345", keep=["88812345"]).text == "138********"
    assert mask("138-1234-5678", keep=["13812345678"]).findings == ()


def test_a_kept_mail_address_stays() -> None:
    text = "发到 office@town.example 或 lin@town.example"
    assert mask(text, keep=["Office@town.example"]).text == "发到 office@town.example 或 ***@town.example"


def test_findings_name_their_kind_and_place() -> None:
    text = "湘A12345的车主13812345678"
    masked = mask(text)
    assert [(finding.kind, text[finding.start : finding.end]) for finding in masked.findings] == [
        (FindingKind.PLATE, "12345"),
        (FindingKind.MOBILE, "12345678"),
    ]
    assert {kind.label for kind in FindingKind} >= {"手机号码", "车牌号", "门牌房号"}


PATTERNS = [
    *(value for value in vars(masking).values() if isinstance(value, re.Pattern)),
    *masking._DOORS,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:30])
@pytest.mark.parametrize("unit", ["a", "1", "1 ", "栋1", "-", "a.", "、"])
def test_every_pattern_is_linear(pattern: re.Pattern[str], unit: str) -> None:
    text = unit * (50_000 // len(unit)) + "!"
    started = time.process_time()
    for _ in pattern.finditer(text):
        pass
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("unit", ["1", "1-", "138 ", "0731-88881234、88881234 ", "3栋1502、", "a@b.", "13812345678、"])
def test_masking_grows_with_the_length_and_not_faster(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.process_time()
        mask(text)
        return time.process_time() - started

    seconds(1_000)
    # Eight times as long; a square of it would be 64.
    assert seconds(80_000) < 32 * max(seconds(10_000), 0.01)
