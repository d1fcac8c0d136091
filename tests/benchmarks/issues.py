"""Invented issues: the same for the same seed, each with a story that the loop allows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from tests.benchmarks.city import City, Matter, Place

T = TypeVar("T")

#: The years over which the issues were raised.
YEARS = 3
SPOTS = (
    "村口", "老桥头", "菜市场东门", "幼儿园门口", "三岔路", "河堤", "卫生室旁", "文化广场", "祠堂前",
    "车站对面", "水厂后面", "七号楼下", "小学围墙外", "大榕树下", "供销社旧址", "工业区二期",
)  # fmt: skip
SINCE = ("从上个月起", "半年多了", "入夏以后", "上周下雨以后", "去年修路以后", "这两年", "过年前就", "刚搬来时就")
WHO = ("老人和孩子都不方便", "住户意见很大", "出行很不安全", "大家反映了几次", "晚上不敢走", "生意都做不成")
ASKED = ("请尽快来看看", "希望给个说法", "请有关部门处理", "盼望早日解决", "请公开什么时候能办好", "建议统一安排")
MEASURES = (
    "责任单位三天内到现场查看，{days}天内办完。",
    "请施工队先围起来，{days}天内修复。",
    "会同村里商量，{days}天内答复。",
)
OUTCOMES = (
    "换了新的，连看两天都好。",
    "已经修好，请住户验收。",
    "当面说明了政策，本人表示理解。",
    "清理完毕，安排专人每周看一次。",
)

_ADJECTIVES = ("麻烦", "危险", "不方便", "难看", "着急")


@dataclass(frozen=True, slots=True)
class Step:
    """A transition that was made: its event, from where, to where, when."""

    event: str
    before: str
    after: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Invented:
    """An issue: names as in the models."""

    id: int
    number: str
    title: str
    text: str
    place: str
    measures: str
    outcome: str
    kind: str
    collective: bool
    unit: Place
    matter: Matter
    state: str
    raised_at: datetime
    listed_at: datetime | None
    deadline: datetime | None
    resolved_at: datetime | None
    struck_off_at: datetime | None
    steps: tuple[Step, ...]

    @property
    def top_category_id(self) -> int:
        """The top category, as the figures count it."""
        return self.matter.top

    @property
    def updated_at(self) -> datetime:
        """When the last thing happened."""
        return self.steps[-1].at if self.steps else self.raised_at


def invented(city: City, count: int, until: datetime, seed: int) -> Iterator[Invented]:
    """`count` issues, the oldest first, the last raised an hour before `until`; numbers begin anew each year."""
    chance = random.Random(seed)
    numbers: dict[int, int] = {}
    for each in range(1, count + 1):
        raised = until - timedelta(hours=1) - timedelta(days=365 * YEARS) * ((count - each) / count)
        raised = raised.replace(microsecond=0)
        numbers[raised.year] = numbers.get(raised.year, 0) + 1
        yield _issue(city, chance, each, f"{raised.year % 100:02d}-{numbers[raised.year]}", raised, until)


def _issue(city: City, chance: random.Random, each: int, number: str, raised: datetime, until: datetime) -> Invented:

    def pick(offered: Sequence[T]) -> T:
        return offered[int(chance.random() * len(offered))]

    unit, matter = city.some_place(chance), pick(city.matters)
    spot, thing, trouble = pick(SPOTS), pick(matter.things), pick(matter.troubles)
    house = int(chance.random() * 180) + 1
    days = int(chance.random() * 13) + 3
    state, steps = _story(chance, raised, until, days)
    listed = steps[0].at if steps and steps[0].event == "issue.list" else None
    done = next((step.at for step in steps if step.after == "resolved"), None)
    return Invented(
        id=each,
        number=number,
        title=f"{spot}的{thing}{trouble}",
        text=f"{unit.name}{spot}{house}号附近的{thing}{pick(SINCE)}{trouble}，{pick(WHO)}，"
        f"尤其是{pick(SPOTS)}一带，{pick(_ADJECTIVES)}得很。{pick(ASKED)}。",
        place=f"{spot}{house}号",
        measures=pick(MEASURES).format(days=days) if listed else "",
        outcome=pick(OUTCOMES) if done else "",
        kind="suggestion" if chance.random() < 0.1 else "problem",
        collective=chance.random() < 0.6,
        unit=unit,
        matter=matter,
        state=state,
        raised_at=raised,
        listed_at=listed,
        deadline=listed + timedelta(days=days) if listed else None,
        resolved_at=done,
        struck_off_at=steps[-1].at if state == "struck_off" else None,
        steps=steps,
    )


#: How often a story goes so far, and by which transitions.
_STORIES = (
    (0.30, ("settle", "strike_off")),
    (0.75, ("list", "resolve", "strike_off")),
    (0.83, ("list", "start")),
    (0.90, ("list", "resolve")),
    (0.95, ("decline",)),
    (1.00, ()),
)
_AFTER = {
    "settle": "resolved",
    "list": "listed",
    "start": "handling",
    "resolve": "resolved",
    "strike_off": "struck_off",
    "decline": "declined",
}


def _story(chance: random.Random, raised: datetime, until: datetime, days: int) -> tuple[str, tuple[Step, ...]]:
    """The state an issue is in, and the steps that led there, as far as there was time for them."""
    drawn = chance.random()
    wanted = next(names for share, names in _STORIES if drawn < share)
    state, at = "reported", raised
    steps: list[Step] = []
    for name in wanted:
        at += timedelta(hours=20) if name == "list" else timedelta(seconds=3600 + int(chance.random() * days * 80_000))
        if at >= until:
            break
        steps.append(Step(f"issue.{name}", state, _AFTER[name], at))
        state = _AFTER[name]
    return state, tuple(steps)
