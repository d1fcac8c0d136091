"""The five forms of night talks, and what makes each of them different (002-A1 to A5)."""

from __future__ import annotations

from yetan.api import message_ids
from yetan_activities.api import ActivityKind

_FUNDS = ("funds_yuan", "funds_note")
OPEN_TALK = "open_talk"
THEMATIC_MEETING = "thematic_meeting"
HOUSEHOLD_INTERVIEW = "household_interview"
FIXED_RECEPTION = "fixed_reception"
ONLINE_TALK = "online_talk"

FORMS: tuple[ActivityKind, ...] = message_ids(
    (
        ActivityKind(
            OPEN_TALK,
            "集中畅谈",
            "002-A1",
            "不定主题、不定任务，大家坐下来说。每个村（社区）每月至少一场。",
            asks=("venue", "host_name", "stated_residents", "summary", *_FUNDS),
            agenda=True,
            position=10,
        ),
        ActivityKind(
            THEMATIC_MEETING,
            "专题座谈",
            "002-A2",
            "为一两件难事开的会：会前定议题、请人，会上逐项表决，会后写报告。",
            asks=("venue", "host_name", "programme", "stated_residents", "summary", *_FUNDS),
            agenda=True,
            votes=True,
            position=20,
        ),
        ActivityKind(
            HOUSEHOLD_INTERVIEW,
            "入户访谈",
            "002-A3",
            "到家里坐坐，问三件事：基本情况、困难问题、工作建议，记进民情台账。",
            counted_in="次",
            asks=("host_name", "summary"),
            signs_in=False,
            via="visit",
            position=30,
        ),
        ActivityKind(
            FIXED_RECEPTION,
            "定点接谈",
            "002-A4",
            "在居民说事点轮流值班，门常开、人常在。",
            counted_in="次",
            asks=("host_name", "stated_residents", "summary"),
            via="reception",
            agenda=True,
            position=40,
        ),
        ActivityKind(
            ONLINE_TALK,
            "随机e谈",
            "002-A5",
            "在微信群里随时说，把说的记下来，变成台账和要办的事。",
            asks=("channel", "host_name", "summary"),
            signs_in=False,
            via="online",
            position=50,
        ),
    )
)
