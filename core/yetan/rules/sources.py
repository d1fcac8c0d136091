"""The rules that steps, guards and settings follow, in words: what stands behind an ID such as 002-B16."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from yetan.i18n import message_ids

_ID = re.compile(r"\d{3}-[A-Z]?\d{1,2}[a-z]?")


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule: its ID, what it is called in short, and what it asks. Name and words are message ids."""

    id: str
    name: str
    words: str


_SOURCES: Mapping[str, tuple[str, str]] = message_ids(
    {
        "001-09": ("越级反映", "对结果不服，可以到上一级再反映；新的一件和原来那一件连在一起。"),
        "001-11": ("一个月办结", "立了项的限期一个月内解决；结果既告诉主管单位，也告诉反映的人。"),
        "001-20": ("待办件和转办件", "还没办的、转给别处办的，都要盯到办完为止。"),
        "001-23": ("重复反映", "同一个人、同一件事又来反映的，要认出来，和以前那一件连在一起。"),
        "002-A1": ("集中畅谈", "村（社区）每月至少开一场，晚上大家坐下来说，不定主题、不定任务。"),
        "002-A2": ("专题座谈", "热点难点和重点民生工作，开会专门谈：会前定议题、请人，会上逐项表决，会后写报告上报。"),
        "002-A3": ("入户访谈", "领导挂村（社区）、干部包片、党员联户，到家里问三样：基本情况、困难问题、工作建议。"),
        "002-A4": ("定点接谈", "居民说事点门常开、人常在，干部轮流值班，留言板、意见箱全天开放。"),
        "002-A5": ("随机e谈", "在微信群里随时随地谈，把谈的记下来，归进民情台账。"),
        "002-A6": ("民情台账", "走访、接谈、网上收到的，都记进同一本台账。"),
        "002-B1": ("工作闭环", "立项、处置、督办、反馈，一环接一环；事事有回音，件件有落实，效果有反馈。"),
        "002-B2": ("当场解决", "能当场解决的，当场解决。"),
        "002-B3": ("附意见上报", "村（社区）解决不了的，附上初步办理意见，报乡镇（街道）。"),
        "002-B4": ("每月逐件研究", "专人梳理汇总，每月开一次专题会议，一件一件研究对策。"),
        "002-B5": ("责任人、措施、时限", "列入问题清单的每一件，都写明责任人或者责任单位、具体措施、完成时限。"),
        "002-B6": ("一般事项就地办", "乡镇（街道）和村（社区）职权范围里的，由他们自己办。"),
        "002-B7": ("街乡吹哨、部门报到", "重点难点问题，经12345等平台马上发起，部门要到场处置。"),
        "002-B8": ("上报县里研究", "乡镇（街道）协调不了的，报县（市、区）研究解决。"),
        "002-B9": ("纳入督查", "对照任务清单督查进度。"),
        "002-B10": ("期限前催办", "期限前一周还没有办结的，发《催办单》给责任单位；各地提前几天，可以自己定。"),
        "002-B11": ("一月一调度一通报", "每个月调度一次、通报一次各单位办得怎么样。"),
        "002-B12": ("督促、回访、通报", "进度慢的督促，办结的不定期回访，逾期不回复或者没有办好的通报，并接着跟踪。"),
        "002-B13": ("个人的事告诉本人", "个人的事，上门、用微信或者打电话，把结果告诉本人。"),
        "002-B14": ("大家的事张贴公示", "大家的事，把结果张贴在公示栏。"),
        "002-B15": ("满意度测评", "办完以后，请当事人和部分群众代表填测评单。"),
        "002-B16": ("居民验收才销号", "居民验收过关了，才能销号；没有同意的，退回再办。办这件事的人不能自己验收。"),
        "002-B17": ("没办完要说明", "期限内没有办完的，要说明原因，并告诉居民进展。"),
        "002-C2": (
            "六个有",
            "乡镇（街道）要有主要领导牵头、有工作方案、有班子成员负责、有干部参与、有夜谈活动、有书面成果。",
        ),
        "002-C9": ("挂包联系", "领导、部门挂包哪个村（社区），到那里参加夜谈才算数。"),
        "003-06": (
            "领导到了多少地方",
            "各级领导有多少人到过多少村（社区），收到多少问题和建议，办结多少；问题和建议分开数。",
        ),
    }
)


def rules_in(text: str) -> tuple[RuleSource, ...]:
    """The rules whose IDs stand in a text such as "002-B13、002-B14"; one nobody knows in words is called by its ID."""
    found = dict.fromkeys(_ID.findall(text))
    return tuple(RuleSource(each, *_SOURCES.get(each, (each, ""))) for each in found)


def known_rules() -> tuple[RuleSource, ...]:
    """Every rule that is known in words, in the order of their IDs."""
    return tuple(RuleSource(each, *told) for each, told in _SOURCES.items())
