"""The night activities among the subjects: one of each kind in HOME, one of them going on, and all that hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.contracts.asks import Ask, picture
from tests.contracts.site import HOME, RELATIONS

from yetan.files.models import Attachment
from yetan.issues.models import Issue
from yetan.plugins.declarations import Page
from yetan.records.photos import add_photos
from yetan.records.service import publish
from yetan_activities.api import Activity, Attendance, Reflection, open_activity
from yetan_activities.signing_in import code_of, seat_token, ticket_for
from yetan_meetings.decisions import DECISIONS
from yetan_meetings.forms import FORMS, HOUSEHOLD_INTERVIEW, ONLINE_TALK, OPEN_TALK
from yetan_meetings.models import (
    AgendaItem,
    BoardMessage,
    ChatLine,
    Confirmation,
    DutyShift,
    Invitation,
    LedgerEntry,
    MeetingReport,
    PlannedVisit,
    ServicePoint,
    Topic,
    TopicComment,
    WorkPlan,
)

if TYPE_CHECKING:
    from tests.contracts.subjects import Scene


class Evenings:
    """Rows of every model of the night activities, all of them HOME's."""

    def __init__(self, scene: Scene) -> None:
        self.town = scene.town
        self.unit = scene.unit
        self.activities = {kind.name: self._planned(kind.name) for kind in FORMS}
        self.talk = self.activities[OPEN_TALK]
        self.town.do(self._open)
        self.present = self._attendance("试到场", present_at=self.town.clock())
        self.expected = self._attendance("试未到", expected=True)
        self.reflection = self._row(
            Reflection, activity_id=self.talk, person_id=None, decided_at=None, decided_by_id=None, state="waiting"
        )
        self.item = self._row(
            AgendaItem,
            activity_id=self.talk,
            position=1,
            kind="problem",
            title="沟盖松了",
            state="waiting",
            issue_id=None,
            raised_by_id=self.present,
            vote_state="",
            decided_at=None,
        )
        self.point = self._row(ServicePoint, unit_id=self.unit, active=True)
        self.shift = self._row(DutyShift, point_id=self.point, account_id=None, from_time="19:00", until_time="21:00")
        self.message = self._row(
            BoardMessage,
            point_id=self.point,
            way="board",
            phone="",
            person_id=None,
            sorted_at=None,
            sorted_by_id=None,
            entry_id=None,
            reason="",
        )
        self.entry = self._row(
            LedgerEntry,
            unit_id=self.unit,
            title="井盖响",
            source="visit",
            phone="",
            household_id=None,
            activity_id=None,
            issue_id=None,
            updated_by_id=None,
        )
        self.topic = self._row(
            Topic,
            unit_id=self.unit,
            activity_id=None,
            title="充电棚放哪里",
            state="waiting",
            reason="",
            person_id=None,
            decided_at=None,
            decided_by_id=None,
        )
        self.comment = self._row(
            TopicComment, topic_id=self.topic, person_id=None, state="waiting", decided_at=None, decided_by_id=None
        )
        self.invitation = self._row(
            Invitation,
            activity_id=self.talk,
            person_id=None,
            role="property",
            unit_id=None,
            account_id=None,
            phone="",
            told_at=None,
            answer="",
        )
        self.report = self._row(
            MeetingReport,
            activity_id=self.activities["thematic_meeting"],
            number=1,
            to_unit_id=self.unit,
            sent_at=self.town.clock(),
            sent_by_id=None,
            received_at=None,
            received_by_id=None,
            returned_at=None,
            receipt_note="",
        )
        self.line = self._row(ChatLine, activity_id=self.activities[ONLINE_TALK], at=None, entry_id=None)
        self._row(PlannedVisit, activity_id=self.activities[HOUSEHOLD_INTERVIEW], household_id=scene.household.id)
        self.plan = self._row(
            WorkPlan, unit_id=self.unit, title="夜谈工作方案", year=2026, text="每月一场。", updated_by_id=None
        )

    def _row(self, model: type[Any], **given: Any) -> int:
        return int(self.town.make_row(model, **given).id)

    def _planned(self, kind: str) -> int:
        return self._row(
            Activity,
            kind=kind,
            unit_id=self.unit,
            title="创新社区治理",
            place="镇政府大院",
            starts_at="19:30",
            ends_at="",
            stated_residents=None,
            funds_yuan=None,
            opened_at=None,
            closed_at=None,
            updated_by_id=None,
        )

    def _attendance(self, name: str, **given: Any) -> int:
        values = {"present_at": None, **given}
        return self._row(
            Attendance,
            activity_id=self.talk,
            person_id=self.town.accounts["raiser"].person_id if values["present_at"] else self.town.resident.id,
            name=name,
            house="",
            role="resident",
            way="host",
            account_id=None,
            link_id=None,
            unit_id=None,
            **values,
        )

    async def _open(self) -> None:
        await open_activity(await self.town.act("township_clerk.own"), self.talk)

    async def seat(self) -> str:
        """What the phone of whoever is present keeps."""
        return seat_token({self.present: False}, self.town.clock())

    def publish(self) -> None:
        """Put the evening that is going on before the public."""

        async def go() -> None:
            await publish(await self.town.act("township_clerk.own"), OPEN_TALK, self.talk, 1)

        self.town.do(go)

    async def spoken_of(self, issue: Issue, words: str, name: str, phone: str) -> None:
        """Let an issue have come from the evening: `words` are all that was said there, by somebody known."""
        now = self.town.clock()
        said = {"title": words, "activity_id": self.talk, "issue_id": issue.id, "created_at": now}
        await AgendaItem.create(
            position=100 + issue.id,
            kind="problem",
            state="issue",
            text=words,
            outcome=words,
            corrected=words,
            decided_at=now,
            **said,
        )
        await LedgerEntry.create(
            unit_id=self.unit,
            date=now.date(),
            source="meeting",
            who=f"{words}{name}",
            phone=f"{words}{phone}",
            basic=words,
            difficulties=words,
            updated_at=now,
            **said,
        )
        await ChatLine.create(
            activity_id=self.activities[ONLINE_TALK],
            position=100 + issue.id,
            name=f"{words}{name}",
            text=words,
            issue_id=issue.id,
        )

    def told(self, work: Callable[[Activity], str]) -> str:
        """What the site tells of the evening that is going on."""

        async def go() -> str:
            return work(await Activity.get(id=self.talk))

        return self.town.do(go)

    def subject_of(self, page: Page) -> int:
        """The activity that a page is about: of its kind, where it is for one kind alone."""
        for kind, activity in self.activities.items():
            if f".{kind}." in page.name or page.permission == f"{kind}.keep":
                return activity
        return self.talk


def _public_activity(kind: str) -> Callable[[Scene], Mapping[str, str]]:
    return lambda scene: {"": str(scene.evenings.activities[kind])}


# What has to have happened before


def _not_open(scene: Scene) -> None:
    scene.change(Activity, scene.evenings.talk, opened_at=None)


def _settled(scene: Scene) -> None:
    """Nothing stands open any more."""
    at = scene.town.clock()
    scene.change(AgendaItem, scene.evenings.item, state="dropped", outcome="上一场议过。", decided_at=at)


def _discussed(scene: Scene) -> None:
    scene.change(AgendaItem, scene.evenings.item, state="discussing")


def _voted_on(scene: Scene) -> None:
    scene.change(AgendaItem, scene.evenings.item, state="discussing", vote_state="open")


def _suggested(scene: Scene) -> None:
    scene.change(AgendaItem, scene.evenings.item, kind="suggestion")


def _shown(scene: Scene) -> None:
    scene.change(Topic, scene.evenings.topic, state="shown")


def _point_closed(scene: Scene) -> None:
    scene.change(ServicePoint, scene.evenings.point, active=False)


#: The row a path's {id} names, by the model of the page.
SUBJECTS: Mapping[type[Any], Callable[[Scene], int]] = {
    AgendaItem: lambda s: s.evenings.item,
    BoardMessage: lambda s: s.evenings.message,
    LedgerEntry: lambda s: s.evenings.entry,
    MeetingReport: lambda s: s.evenings.report,
    ServicePoint: lambda s: s.evenings.point,
    Topic: lambda s: s.evenings.topic,
    TopicComment: lambda s: s.evenings.comment,
    WorkPlan: lambda s: s.evenings.plan,
}


def _published(kind: str) -> Callable[[Scene], None]:
    """The activity of that kind is before the public."""

    def published(scene: Scene) -> None:
        async def go() -> None:
            row = await Activity.get(id=scene.evenings.activities[kind])
            await publish(await scene.town.act("township_clerk.own"), kind, row.id, row.version)

        scene.town.do(go)

    return published


def _of_kind(kind: str) -> dict[str, Ask]:
    """The forms of a kind's own pages."""

    def written(scene: Scene) -> dict[str, Any]:
        return {"title": "养老服务提质增效", "date": scene.day(), "place": "镇政府大院"}

    def photographed(scene: Scene) -> None:
        async def go() -> None:
            act = await scene.town.act("township_clerk.own")
            await add_photos(act, kind, scene.evenings.activities[kind], [scene.upload()])

        scene.town.do(go)

    def photo(scene: Scene) -> dict[str, Any]:
        async def go() -> int:
            return (await Attachment.get(subject_kind=kind)).id

        return {"photo": scene.town.do(go)}

    return {
        f"desk.{kind}.new.submit": Ask(lambda s: {"unit": s.unit, **written(s)}, over_unit=True),
        f"desk.{kind}.alter": Ask(lambda s: {"version": 1, **written(s)}),
        f"desk.{kind}.photos": Ask(lambda s: {"photos": picture()}),
        f"desk.{kind}.photos.remove": Ask(photo, photographed),
        f"desk.{kind}.publish": Ask(lambda s: {"version": 1}),
        f"desk.{kind}.withdraw": Ask(lambda s: {"reason": "写错了日子。"}, _published(kind)),
    }


def _plan(scene: Scene) -> dict[str, Any]:
    return {"title": "夜谈工作方案", "date": scene.day(), "year": 2026, "text": "每村每月一场。"}


def _condition(scene: Scene) -> dict[str, Any]:
    return {"title": "井盖响", "date": scene.day(), "source": "reception", "difficulties": "井盖一压就响。"}


def _plan_published(scene: Scene) -> None:
    async def go() -> None:
        await publish(await scene.town.act("township_clerk.own"), "work_plan", scene.evenings.plan, 1)

    scene.town.do(go)


def _confirmed(scene: Scene) -> None:
    unit = scene.town.units[RELATIONS["parent"]]
    scene.town.make_row(Confirmation, unit_id=unit, year=2026, which=1, by_id=None)


def _to_do(scene: Scene) -> dict[str, Any]:
    """Who does something about the item until when."""
    return {
        "owner": scene.town.accounts["clerk"].id,
        "deadline": scene.day(7),
        "measures": "三天内换好沟盖。",
        **_decided(scene),
    }


def _decided(scene: Scene) -> dict[str, Any]:
    return {"category": scene.town.category, "version": 1}


ASKS: Mapping[str, Ask] = {
    **_of_kind(OPEN_TALK),
    **{f"records.{kind.name}.record": Ask(given=_published(kind.name)) for kind in FORMS},
    f"records.{OPEN_TALK}.card": Ask(given=_published(OPEN_TALK)),
    # The evening
    "activities.open": Ask(given=_not_open),
    "activities.close": Ask(given=_settled),
    "activities.stated": Ask(lambda s: {"stated_residents": 46}),
    "activities.attendance.add": Ask(lambda s: {"name": "新来的", "role": "resident"}),
    "activities.attendance.earlier": Ask(),
    "activities.attendance.tick": Ask(lambda s: {"attendance": s.evenings.expected}),
    "activities.attendance.remove": Ask(lambda s: {"attendance": s.evenings.expected}),
    "activities.sign_in.submit": Ask(
        lambda s: {"ticket": s.evenings.told(lambda talk: ticket_for(talk, s.town.clock())), "name": "新来的"}
    ),
    "activities.reflect.submit": Ask(lambda s: {"text": "说得明白。"}),
    "activities.reflections.write": Ask(lambda s: {"text": "听到了实话。"}),
    "activities.reflections.decide": Ask(lambda s: {"reflection": s.evenings.reflection, "state": "shown"}),
    # The agenda
    "meetings.agenda.raise": Ask(lambda s: {"title": "路灯不亮", "kind": "problem"}),
    "meetings.item.alter": Ask(lambda s: {"title": "沟盖松了一块", "kind": "problem", "version": 1}),
    "meetings.item.take": Ask(),
    "meetings.item.vote": Ask(given=_discussed),
    "meetings.item.count": Ask(lambda s: {"votes_for": 1}, _voted_on),
    "meetings.item.decide[settled]": Ask(lambda s: {"outcome": "当场换好了。", **_decided(s)}),
    "meetings.item.decide[issue]": Ask(_to_do),
    "meetings.item.decide[resolved]": Ask(lambda s: {"outcome": "换铸铁的。", **_to_do(s)}),
    "meetings.item.decide[noted]": Ask(lambda s: {"outcome": "记下了。", **_decided(s)}, _suggested),
    "meetings.item.decide[dropped]": Ask(lambda s: {"outcome": "上一场议过。", "version": 1}),
    "meetings.item.correct": Ask(lambda s: {"outcome": "换铸铁的。", "version": 1}, _settled),
    "meetings.matter": Ask(lambda s: {"title": "路灯不亮", "kind": "problem"}),
    "meetings.vote": Ask(lambda s: {"attendance": s.evenings.present, "choice": "for"}, _voted_on),
    # Before and after
    "meetings.invite": Ask(lambda s: {"role": "partner", "name": "共建单位的老师"}),
    "meetings.invitation.mark": Ask(lambda s: {"invitation": s.evenings.invitation, "mark": "told"}),
    "meetings.report_of.submit": Ask(lambda s: {"situation": "来了一位居民。", "version": 0}),
    "meetings.report.receive": Ask(lambda s: {"note": "收到。"}),
    "meetings.report.return": Ask(lambda s: {"reason": "没有写落实。"}),
    # The ledger, and what goes into it
    "desk.condition.new.submit": Ask(lambda s: {"unit": s.unit, **_condition(s)}, over_unit=True),
    "desk.condition.alter": Ask(lambda s: {"version": 1, **_condition(s)}),
    "meetings.entry.issue": Ask(lambda s: {"kind": "problem"}),
    "meetings.visits.submit": Ask(
        lambda s: {"household": s.household.id, "basic": "三口人。", "difficulties": "井盖响。", "suggestions": "没有"}
    ),
    "meetings.visits.plan": Ask(lambda s: {"planned": s.household.id}),
    "meetings.visits.drop": Ask(lambda s: {"planned": s.household.id}),
    "meetings.chat.take": Ask(lambda s: {f"line_{s.evenings.line}": "1", "what": "difficulties"}),
    "meetings.chat.paste.submit": Ask(lambda s: {"text": "老黄：路灯又不亮了", "keep": "1"}),
    "meetings.points.submit": Ask(lambda s: {"unit": s.unit, "name": "新的说事点", "place": "一楼"}, over_unit=True),
    "meetings.shifts": Ask(
        lambda s: {
            "name": "陈小满",
            "since": s.day(1),
            "days": "every",
            "from_time": "19:00",
            "until_time": "21:00",
        }
    ),
    "meetings.shifts.remove": Ask(lambda s: {"shift": s.evenings.shift}),
    "meetings.point.close": Ask(),
    "meetings.point.open": Ask(given=_point_closed),
    "meetings.slip.submit": Ask(lambda s: {"slip": "桥头的灯坏了。"}),
    "meetings.message.leave": Ask(lambda s: {"text": "桥头的灯坏了。"}),
    "meetings.message.sort": Ask(lambda s: {"title": "桥头的灯", "difficulties": "桥头的灯坏了。"}),
    "meetings.message.aside": Ask(lambda s: {"reason": "已经答复过。"}),
    # Topics and what townships lay down
    "meetings.propose.submit": Ask(lambda s: {"unit": HOME, "title": "充电棚放哪里"}),
    "meetings.comment.submit": Ask(lambda s: {"text": "放东门。"}, _shown),
    "meetings.topic": Ask(given=_shown),
    "meetings.comment": Ask(given=_shown),
    "meetings.topics.show": Ask(),
    "meetings.topics.decline": Ask(lambda s: {"reason": "已经立项。"}),
    "meetings.topics.schedule": Ask(lambda s: {"activity": s.evenings.talk}, _shown),
    "meetings.topics.decide_comment": Ask(lambda s: {"state": "shown"}),
    "meetings.six_haves.confirm": Ask(lambda s: {"note": "党委书记牵头。"}),
    "meetings.six_haves.take_back": Ask(given=_confirmed),
    "records.work_plan.record": Ask(given=_plan_published),
    "records.work_plan.card": Ask(given=_plan_published),
    "desk.work_plan.new.submit": Ask(lambda s: {"unit": s.unit, **_plan(s)}, over_unit=True),
    "desk.work_plan.alter": Ask(lambda s: {"version": 1, **_plan(s)}),
    "desk.work_plan.publish": Ask(lambda s: {"version": 1}),
    "desk.work_plan.withdraw": Ask(lambda s: {"reason": "要重发。"}, _plan_published),
}

NEVER: Mapping[str, str] = {
    "desk.condition.document[none]": "There is no paper of one entry; the ledger is printed as a whole.",
    "desk.work_plan.document[none]": "There is no paper of a plan besides itself.",
}

PARAMETERS: Mapping[str, Callable[[Scene], Mapping[str, str]]] = {
    "activities.scan.code": lambda s: {
        "": s.evenings.told(lambda talk: code_of(talk, s.town.clock())),
    },
    "meetings.item.decide.decision": lambda s: {name: name for name in DECISIONS},
    # HOME raises issues itself here: its township is the unit above.
    **{
        f"meetings.six_haves.{page}.code": lambda s: {"": RELATIONS["parent"]}
        for page in ("sheet", "paper", "confirm", "take_back")
    },
    "year": lambda s: {"": "2026"},
    "which": lambda s: {"": "1"},
    "meetings.matter.id": lambda s: {"": str(s.evenings.talk)},
    "meetings.vote.id": lambda s: {"": str(s.evenings.item)},
    "meetings.topic.id": lambda s: {"": str(s.evenings.topic)},
    "meetings.comment.id": lambda s: {"": str(s.evenings.topic)},
    "meetings.comment.submit.id": lambda s: {"": str(s.evenings.topic)},
    **{
        f"meetings.{name}.id": lambda s: {"": str(s.evenings.point)}
        for name in ("public_point", "message.leave", "message_left")
    },
    **{
        f"activities.{name}.id": lambda s: {"": str(s.evenings.talk)}
        for name in ("sign_in", "sign_in.submit", "seat", "reflect", "reflect.submit", "reflected")
    },
    **{f"records.{kind.name}.record.id": _public_activity(kind.name) for kind in FORMS},
    f"records.{OPEN_TALK}.card.id": _public_activity(OPEN_TALK),
    **{f"records.work_plan.{page}.id": lambda s: {"": str(s.evenings.plan)} for page in ("record", "card")},
}
