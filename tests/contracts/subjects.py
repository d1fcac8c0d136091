"""What the pages of the site are about, and how each is asked: a subject for every model, a form for every POST.

A new page whose path or form is not known here fails the contract tests, naming what to add. Everything belongs
to the unit HOME (石桥镇), as whose neighbours the visitors come.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.datastructures import UploadFile
from tests.contracts import evenings
from tests.contracts.asks import Ask, picture
from tests.contracts.evenings import Evenings
from tests.contracts.site import HOME, RELATIONS, TOP, File, Site, Visitor

from yetan.access.sessions import issue_link
from yetan.files.models import Attachment
from yetan.files.service import add_photos
from yetan.issues import acceptance
from yetan.issues.desk_models import SavedFilter
from yetan.issues.following import Opened, slip_code
from yetan.issues.models import Issue
from yetan.issues.queues import QUEUES
from yetan.issues.scope import write_scopes
from yetan.issues.service import RaiserInput
from yetan.notices.models import Notice
from yetan.people.models import Account, Household, Link, Person, Post
from yetan.people.service import add_account, add_household, add_link
from yetan.plugins.declarations import Page
from yetan.plugins.models import Quarantine
from yetan.publication.review import review_of
from yetan.publication.service import approve, withdraw
from yetan.rules.models import RuleDocument
from yetan.rules.service import issue_document
from yetan.runtime import current
from yetan.searching.models import SynonymRing
from yetan.searching.synonyms import add_ring
from yetan.units.models import Unit
from yetan.web.forms import Field
from yetan_activities.api import Activity
from yetan_supervision.service import dun

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


#: Tables to bring in, by what the pages of an upload call their kind.
TABLES = {
    "units": File("units.csv", "编码,名称,类型,上级编码\nnew,新桥村,village,township\n".encode()),
    "issues": File("ledger.csv", "编号,标题,留言时间,内容\n7,井盖松动,2025-03-04,井盖松动，夜里响。\n".encode()),
    "accounts": File("accounts.csv", "登录名,姓名,单位,角色\nnew01,白露,石桥镇,leader\n".encode()),
    "households": File("households.csv", "单位,地址,成员\n石桥镇,桥头路 9 号,林鹿鸣 13900005678\n".encode()),
    "synonyms": File("synonyms.csv", "意思相同的词\n垃圾站 垃圾点\n".encode()),
    "categories": File("categories.csv", "一级分类,二级分类,三级分类\n城乡建设,市政设施,井盖\n".encode()),
}


class Scene:
    """A site with subjects: every one belongs to HOME, and was raised by the visitor "raiser"."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.town = site.town
        #: Who sends a form with success and what its page looks at, by the question's name, once somebody looked.
        self.senders: dict[str, tuple[Visitor, Mapping[str, Field]]] = {}
        self.unit = self.town.units[HOME]
        raiser = self.town.accounts["raiser"].person_id
        self.resident = raiser
        self.issue = self.report("镇口的路灯不亮", "镇口的三盏路灯坏了半个月，晚上看不清路。", raiser)
        self.another = self.report("桥栏杆松了", "老桥的栏杆松动，孩子常去那里玩。", raiser)
        self.published = self.report("公厕没有水", "菜场公厕停水三天，气味很大。", raiser)
        self.withdrawn = self.report("夜里施工太吵", "工地夜里两点还在打桩，睡不着。", raiser)
        self.photo = self.photograph(self.issue)
        self.public_photo = self.photograph(self.published)
        self.town.do(self._publish)
        self.town.move(self.another, "list", by="township_clerk.own", owner=self.town.accounts["clerk"].id)
        # An official who holds nothing now but a post in HOME, so that the account is nobody's but HOME's.
        self.account, self.post, self.link = self.town.do(self._official)
        self.household, self.person = self.town.do(self._household)
        self.document = self.town.do(self._issue_document)
        self.ring = self.town.do(self._add_ring)
        self.evenings: Evenings = Evenings(self)
        self.sign_in_link = self.town.run(issue_link(self.town.accounts["resident"], self.town.clock()))
        self.settle()
        self.notice = self.town.do(self._told)
        self._follow()
        self.units_table = self._upload("administrator.top", "/admin/units/import", "units")
        self.accounts_table = self._upload("administrator.top", "/admin/accounts/import", "accounts")
        self.households_table = self._upload("village_official.own", "/desk/households/import", "households")
        self.synonyms_table = self._upload("administrator.top", "/admin/synonyms/import", "synonyms")
        self.ledger = self._upload("township_clerk.own", "/admin/import", "issues", unit=self.unit)
        self.bulk_run = self._assign_several()
        self.filter = self._save_filter()

    def report(self, title: str, text: str, raiser: int, **values: Any) -> Issue:
        """An issue of HOME, registered there for a resident."""
        values = {"unit": self.unit, "title": title, "text": text, **values}
        raisers = [RaiserInput(person_id=raiser)]
        return self.town.report(by="township_clerk.own", via="reception", raisers=raisers, **values)

    def photograph(self, issue: Issue) -> Attachment:
        """A photo of the issue that is not public."""

        async def go() -> Attachment:
            return (await add_photos(await self.town.act(), "issue", issue.id, [self.upload()]))[0]

        return self.town.do(go)

    def upload(self) -> UploadFile:
        """A photo, as a service is given it."""
        content = picture().content
        return UploadFile(io.BytesIO(content), size=len(content))

    def change(self, model: type[Any], row: int, **values: Any) -> None:
        """Let a row be otherwise than it is."""

        async def go() -> None:
            await model.filter(id=row).update(**values)

        self.town.do(go)

    def settle(self) -> None:
        """Let the worker do what there is to do: notices, the board, the search index."""
        while self.town.run_worker():
            pass

    async def _publish(self) -> None:
        act = await self.town.act("publisher.own")
        await approve(act, self.published.id)
        await approve(act, self.withdrawn.id)
        await withdraw(act, self.withdrawn.id, "居民要求撤下。")

    async def _official(self) -> tuple[Account, Post, Link]:
        act = await self.town.act()
        person = await Person.create(name="试岗位", unit_id=self.unit, created_at=act.now)
        account = await add_account(act, person, "official")
        since = self.town.clock().date() - timedelta(days=100)
        post = await Post.create(account_id=account.id, role="township_clerk", unit_id=self.unit, since=since)
        values = {"kind": "sponsor", "unit": self.unit, "since": since, "until": None}
        return account, post, await add_link(act, account.id, values)

    async def _household(self) -> tuple[Household, Person]:
        act = await self.town.act()
        person = await Person.create(name="试住户", phone="13800007777", unit_id=self.unit, created_at=act.now)
        return await add_household(act, self.unit, "桥头路 3 号", [person.id]), person

    async def _issue_document(self) -> RuleDocument:
        act = await self.town.act()
        today = self.town.clock().date()
        return await issue_document(
            act, self.unit, "办理时限的通知", "一般事项十五天内办结。", today, "石政〔2026〕1号"
        )

    async def _add_ring(self) -> SynonymRing:
        return await add_ring(await self.town.act(), "路灯 街灯")

    async def _told(self) -> Notice:
        return await Notice.filter(account_id=self.town.accounts["raiser"].id).order_by("-id").get()

    def _assign_several(self) -> int:
        """The run in which a clerk gave another owner to several issues at once: to one, here."""
        sent = {**self.several(self.another), "owner": self.town.accounts["leader"].id}
        answer = self.site.ask(self.site.visitors["township_clerk.own"], "/desk/bulk/assign", sent)
        assert answer.status == 303, f"the owner is not changed: {answer.text}"
        return int(answer.location.rpartition("/")[2])

    def _save_filter(self) -> int:
        """A search that a clerk keeps under a name."""
        sent = {"name": "路灯", "q": "灯"}
        assert self.site.ask(self.site.visitors["township_clerk.own"], "/desk/filters", sent).status == 303

        async def go() -> int:
            return (await SavedFilter.get(name="路灯")).id

        return self.town.do(go)

    def _follow(self) -> None:
        """Have the follower open the issue by its slip, and sit at the evening."""
        opened, seat = self.town.do(self._opened), self.town.do(self.evenings.seat)
        self.site.visitors["follower"] = Visitor("follower", cookies={"yetan-follow": opened, "yetan-seat": seat})

    async def _opened(self) -> str:
        return Opened(self.issue.id, self.resident).token(self.town.clock())

    def _upload(self, by: str, path: str, kind: str, **values: Any) -> str:
        """The token of a table that somebody uploaded and did not confirm."""
        answer = self.site.ask(self.site.visitors[by], path, {"file": TABLES[kind], **values})
        assert answer.status == 303, f"{path} does not take the table: {answer.text}"
        return answer.location.rpartition("/")[2]

    # States of the issue

    def listed(self) -> None:
        """It has an owner and a deadline."""
        owner = self.town.accounts["clerk"].id
        self.town.move(self.issue, "list", by="township_clerk.own", owner=owner)

    def handling(self) -> None:
        """Its owner has begun."""
        self.listed()
        self.town.move(self.issue, "start", by="clerk")

    def resolved(self) -> None:
        """Its owner says it is done."""
        self.handling()
        self.town.move(self.issue, "resolve", by="clerk")

    def accepted(self) -> None:
        """Residents were told, and accept."""
        self.resolved()

        async def go() -> None:
            told = {"way": "posted", "text": "修好了。"}
            await acceptance.give_feedback(await self.town.act("township_clerk.own"), self.issue.id, told)
            await acceptance.accept(await self.town.act("raiser"), self.issue.id, True, "好了")

        self.town.do(go)

    def struck_off(self) -> None:
        """It is done for good."""
        self.accepted()
        self.town.move(self.issue, "strike_off", by="township_clerk.own")

    def declined(self) -> None:
        """It was not taken on."""
        self.town.move(self.issue, "decline", by="township_clerk.own")

    def dunned(self) -> None:
        """Its owner was sent a dunning notice."""
        self.listed()
        self.dun(self.issue)

    def quarantined(self) -> None:
        """A plugin that is not on here, so that no other question is answered otherwise for it, is in quarantine."""

        async def go() -> None:
            await Quarantine.create(plugin="gone", since=self.town.clock(), call="panel", error="RuntimeError")

        self.town.do(go)

    def dun(self, issue: Issue) -> None:
        """Send an issue's owner a dunning notice."""

        async def go() -> None:
            await dun(await self.town.act("supervisor.own"), issue.id)

        self.town.do(go)

    def handed_to_sibling(self) -> None:
        """The unit beside HOME has to act on it now; it was raised at HOME still."""

        async def go() -> None:
            await Issue.filter(id=self.issue.id).update(responsible_unit_id=self.town.units[RELATIONS["sibling"]])
            await write_scopes([await Issue.get(id=self.issue.id)])

        self.town.do(go)

    def childless(self) -> None:
        """No unit lies below HOME."""

        async def go() -> None:
            await Unit.filter(parent_id=self.unit).update(active=False)

        self.town.do(go)

    def approved(self) -> None:
        """It is published."""

        async def go() -> None:
            await approve(await self.town.act("publisher.own"), self.issue.id)

        self.town.do(go)

    # What forms ask for

    def day(self, days: int = 0) -> str:
        """A date so many days from the town's today."""
        return (self.town.clock().date() + timedelta(days=days)).isoformat()

    def matter(self, **values: Any) -> dict[str, Any]:
        """The values of a form about the issue, drawn as it stands now."""
        return {"version": self.town.reload(self.issue).version, **values}

    def several(self, issue: Issue | None = None, **values: Any) -> dict[str, Any]:
        """The values of a form about several issues, of which there is one."""
        chosen = self.town.reload(issue or self.issue)
        return {"issues": f"{chosen.id}:{chosen.version}", **values}

    def review(self) -> dict[str, Any]:
        """The draft of the issue's public face, sent back as it was drawn."""

        async def go() -> dict[str, Any]:
            reviewed = await review_of(await Issue.get(id=self.issue.id))
            return {**reviewed.values, "version": reviewed.version}

        return self.town.do(go)

    def slip(self) -> str:
        """The code on the raiser's slip."""

        async def go() -> str:
            return slip_code(self.issue.id, self.resident)

        return self.town.do(go)


#: The row a path's {id} names, by the model of the page.
SUBJECTS: Mapping[type[Any], Callable[[Scene], int]] = {
    Issue: lambda scene: scene.issue.id,
    Account: lambda scene: scene.account.id,
    Post: lambda scene: scene.post.id,
    Link: lambda scene: scene.link.id,
    Person: lambda scene: scene.person.id,
    Household: lambda scene: scene.household.id,
    Unit: lambda scene: scene.unit,
    RuleDocument: lambda scene: scene.document.id,
    **evenings.SUBJECTS,
}


def _numbers(scene: Scene) -> Mapping[str, str]:
    return {
        "published": scene.published.number,
        "unpublished": scene.issue.number,
        "withdrawn": scene.withdrawn.number,
    }


#: Other parameters of paths, by the page's name or, for all other pages, by the parameter's: a line of the matrix for
#: each value, marked with its key where there are several.
PARAMETERS: Mapping[str, Callable[[Scene], Mapping[str, str]]] = {
    "issue.number": _numbers,
    "api.issue.number": _numbers,
    "issue.card.number": _numbers,
    "number": lambda scene: {"": scene.issue.number},
    "code": lambda scene: {"": HOME},
    "public_photo.name": lambda scene: {
        "published": scene.public_photo.stored_name,
        "unpublished": scene.photo.stored_name,
    },
    "photo.name": lambda scene: {"published": scene.public_photo.stored_name, "unpublished": scene.photo.stored_name},
    "name": lambda scene: {"": "issue.longest_days"},
    "token": lambda scene: {"": scene.sign_in_link},
    "admin.units.preview.upload": lambda scene: {"": scene.units_table},
    "admin.units.confirm.upload": lambda scene: {"": scene.units_table},
    "admin.accounts.import.look.upload": lambda scene: {"": scene.accounts_table},
    "admin.accounts.import.confirm.upload": lambda scene: {"": scene.accounts_table},
    "desk.households.import.look.upload": lambda scene: {"": scene.households_table},
    "desk.households.import.confirm.upload": lambda scene: {"": scene.households_table},
    "admin.synonyms.import.look.upload": lambda scene: {"": scene.synonyms_table},
    "admin.synonyms.import.confirm.upload": lambda scene: {"": scene.synonyms_table},
    "upload": lambda scene: {"": scene.ledger},
    "rule_document.id": lambda scene: {"": str(scene.document.id)},
    "queue": lambda scene: {queue.name: queue.name for queue in QUEUES},
    "transition": lambda scene: {name: name for name in current().registry.transitions},
    "action": lambda scene: {name: name for name in _bulk_actions()},
    "run": lambda scene: {"": str(scene.bulk_run)},
    "filter": lambda scene: {"": str(scene.filter)},
    **evenings.PARAMETERS,
}
#: Parameters that name nothing of a unit's: where one's post is makes no difference.
UNITLESS = frozenset({"token", "queue", "upload", "admin.rule.name", "action", "run", "filter"})


def _bulk_actions() -> list[str]:
    registry = current().registry
    steps = [f"transition.{each.name}" for each in registry.transitions.values() if each.several]
    return [*registry.bulk_actions, *steps]


_REASON = {"reason": "原因写在这里"}

#: How pages are asked, by the page's name and the value of its path that makes a line of its own: every POST, and GETs
#: that show nothing otherwise. Each must succeed for somebody: what everybody is refused says nothing of permissions.
ASKS: Mapping[str, Ask] = {
    "api.search": Ask(query="q=%E7%81%AF"),
    "desk.document[dunning_notice]": Ask(given=Scene.dunned),
    # The loop
    "desk.transition[settle]": Ask(lambda s: s.matter(outcome="当场修好了。")),
    "desk.transition[list]": Ask(
        lambda s: s.matter(owner=s.town.accounts["leader"].id, measures="三天内更换灯头。", deadline=s.day(10))
    ),
    "desk.transition[start]": Ask(Scene.matter, Scene.listed),
    "desk.transition[resolve]": Ask(lambda s: s.matter(outcome="换了灯头。"), Scene.handling),
    "desk.transition[transfer]": Ask(lambda s: s.matter(unit=s.town.units["department"], **_REASON)),
    "desk.transition[report_up]": Ask(lambda s: s.matter(opinion="建议由县城管局处理。")),
    "desk.transition[extend]": Ask(lambda s: s.matter(deadline=s.day(20), **_REASON), Scene.listed),
    "desk.transition[return]": Ask(lambda s: s.matter(**_REASON), Scene.resolved),
    "desk.transition[decline]": Ask(lambda s: s.matter(instead="县供电公司", **_REASON)),
    "desk.transition[merge]": Ask(lambda s: s.matter(into=s.another.number, **_REASON)),
    "desk.transition[strike_off]": Ask(Scene.matter, Scene.accepted),
    "desk.transition[reopen]": Ask(lambda s: s.matter(**_REASON), Scene.struck_off),
    "desk.transition[reconsider]": Ask(lambda s: s.matter(**_REASON), Scene.declined),
    "desk.issue.progress": Ask(lambda s: s.matter(text="灯头到货了。")),
    "desk.issue.feedback": Ask(lambda s: s.matter(way="posted", text="修好了。"), Scene.resolved),
    "desk.issue.acceptance": Ask(
        lambda s: s.matter(name="试raiser", accepted="yes", text="好了", witness="邻居"), Scene.resolved
    ),
    "desk.issue.assign": Ask(lambda s: s.matter(owner=s.town.accounts["leader"].id), Scene.handling),
    "desk.issue.raiser": Ask(lambda s: s.matter(name="邻居甲", phone="13800005678")),
    "desk.issue.photo": Ask(lambda s: s.matter(photos=picture(), stage="after")),
    "desk.issue.correct": Ask(lambda s: s.matter(title="灯不亮", text="镇口的灯不亮。", kind="problem")),
    "desk.issue.link": Ask(lambda s: s.matter(number=s.another.number, kind="repeat")),
    "desk.issue.contacts": Ask(),
    "desk.register.submit": Ask(
        lambda s: {
            "via": "visit",
            "title": "井盖松动",
            "text": "井盖松动，夜里响。",
            "unit": s.unit,
            "kind": "problem",
        },
        over_unit=True,
    ),
    "supervision.dun": Ask(given=Scene.listed),
    # Several at once
    "desk.bulk.submit[assign]": Ask(lambda s: s.several(owner=s.town.accounts["leader"].id), Scene.handling),
    "desk.bulk.submit[progress]": Ask(lambda s: s.several(text="灯头到货了。")),
    "desk.bulk.submit[transition.start]": Ask(Scene.several, Scene.listed),
    "desk.bulk.submit[transition.transfer]": Ask(lambda s: s.several(unit=s.town.units["department"], **_REASON)),
    "desk.bulk.submit[supervision.dun]": Ask(Scene.several, Scene.listed),
    "desk.bulk.undo": Ask(),
    # One's own desk
    "desk.filter.save": Ask(lambda s: {"name": "桥", "q": "桥"}),
    "desk.filter.rename": Ask(lambda s: {"name": "街灯"}),
    "desk.filter.drop": Ask(),
    "desk.profile.keys": Ask(lambda s: {"keys": ""}),
    # Publishing
    "desk.publication.approve": Ask(Scene.review),
    "desk.publication.withdraw": Ask(lambda s: {"reason": "居民要求撤下。"}, Scene.approved),
    "desk.publication.prepare": Ask(),
    # Residents
    "raise.submit": Ask(
        lambda s: {
            "title": "井盖松动",
            "text": "井盖松动，夜里响。",
            "unit": s.town.units["village"],
            "kind": "problem",
        }
    ),
    "follow.submit": Ask(lambda s: {"number": s.issue.number, "proof": s.slip()}),
    "own_issue.verdict.submit": Ask(lambda s: {"accepted": "yes", "text": "好了"}, Scene.resolved),
    "own_issue.rating.submit": Ask(lambda s: {"score": "satisfied"}, Scene.resolved),
    # Oneself
    "sign_in.submit": Ask(lambda s: {"username": "visitor.resident", "password": "not the right one"}),
    "sign_in_link.use": Ask(),
    "sign_out": Ask(),
    "password.submit": Ask(lambda s: {"new": "a long enough pass phrase", "again": "a long enough pass phrase"}),
    "desk.notices.read": Ask(lambda s: {"up_to": s.notice.id}),
    # People
    "admin.account.new.submit": Ask(lambda s: {"username": "new", "name": "新来的", "unit": s.unit}, over_unit=True),
    "admin.account.switch": Ask(lambda s: {"active": ""}),
    "admin.account.sign_in_link": Ask(),
    "admin.account.post.submit": Ask(lambda s: {"role": "leader", "unit": s.unit, "since": s.day()}),
    "admin.account.link.submit": Ask(lambda s: {"kind": "sponsor", "unit": s.unit, "since": s.day()}),
    "admin.post.end.submit": Ask(lambda s: {"on": s.day()}),
    "admin.post.hand_over.submit": Ask(lambda s: {"successor": s.town.accounts["clerk"].id, "on": s.day(1)}),
    "admin.link.end.submit": Ask(lambda s: {"on": s.day()}),
    "admin.unit.rename": Ask(lambda s: {"name": "石桥新镇", "short_name": "石桥"}),
    "admin.unit.switch": Ask(lambda s: {"active": ""}),
    "admin.unit.merge.submit": Ask(lambda s: {"into": s.town.units["elsewhere"]}, Scene.childless),
    "admin.units.import.submit": Ask(lambda s: {"file": TABLES["units"]}),
    "admin.units.confirm": Ask(),
    "admin.person.erase": Ask(lambda s: {"confirm": s.person.name}),
    "desk.household.new.submit": Ask(lambda s: {"unit": s.unit, "address": "桥头路 5 号"}, over_unit=True),
    "desk.household.member": Ask(lambda s: {"name": "新住户"}),
    "desk.household.official": Ask(lambda s: {"official": s.town.accounts["village_official.own"].id}),
    "desk.household.leave": Ask(lambda s: {"person": s.person.id}),
    # The city
    "admin.rule.submit": Ask(lambda s: {"unit": s.unit, "value": "20", "effective_from": s.day()}, over_unit=True),
    "admin.rule_document.submit": Ask(
        lambda s: {"unit": s.unit, "title": "新的通知", "issued_on": s.day()}, over_unit=True
    ),
    "admin.deliveries.replay": Ask(),
    "admin.deliveries.history": Ask(lambda s: {"subscriber": "core.board"}),
    "admin.plugins.release": Ask(lambda s: {"plugin": "gone"}, given=Scene.quarantined),
    "admin.synonyms.submit": Ask(lambda s: {"words": "堵车 塞车"}),
    "admin.synonyms.change": Ask(
        lambda s: {"ring": s.ring.id, "version": s.ring.version, "words": "路灯 街灯", "active": ""}
    ),
    "admin.accounts.import.submit": Ask(lambda s: {"file": TABLES["accounts"]}),
    "admin.accounts.import.confirm": Ask(),
    "desk.households.import.submit": Ask(lambda s: {"file": TABLES["households"]}),
    "desk.households.import.confirm": Ask(),
    "admin.synonyms.import.submit": Ask(lambda s: {"file": TABLES["synonyms"]}),
    "admin.synonyms.import.confirm": Ask(),
    "admin.categories.submit": Ask(lambda s: {"file": TABLES["categories"]}),
    "admin.categories.switch": Ask(lambda s: {"category": s.town.category, "active": ""}),
    "admin.import.submit": Ask(lambda s: {"file": TABLES["issues"], "unit": s.unit}, over_unit=True),
    "admin.import.confirm": Ask(lambda s: {"way": "all", "publish": "1"}),
    "admin.import.discard": Ask(),
    **evenings.ASKS,
}

#: What nobody gets here, and why that is right.
NEVER: Mapping[str, str] = {
    "sign_in.submit": "The visitors have no passwords; the tests of signing in do.",
    "metrics": "The visitors come from none of the addresses that may read it; the tests of plugins do.",
    "issue[unpublished]": "Nothing is public before somebody approved it.",
    "issue[withdrawn]": "Nothing is public once it was withdrawn.",
    "issue.card[unpublished]": "Nothing is public before somebody approved it.",
    "issue.card[withdrawn]": "Nothing is public once it was withdrawn.",
    "api.issue[unpublished]": "Nothing is public before somebody approved it.",
    "api.issue[withdrawn]": "Nothing is public once it was withdrawn.",
    "public_photo[unpublished]": "Photos of what is not public are not either.",
    **evenings.NEVER,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A page to ask, with one value for each parameter of its path, and from where officials ask it."""

    name: str
    page: Page
    method: str
    path: str
    ask: Ask
    relations: tuple[str, ...]
    #: Whether the path names something of a unit's.
    of_unit: bool


def questions(scene: Scene) -> list[Question]:
    """Every declared page and method, with every value of its path. Raises `AssertionError` saying what is missing.

    Pages about issues are asked twice: also of one that was raised in HOME and is in the hands of the unit beside it.
    """
    missing: list[str] = []
    found = [each for page in scene.site.pages for each in _questions(scene, page, missing)]
    names = {question.name for question in found}
    missing += [f"{name!r}, which no page is named any more" for name in (*ASKS, *NEVER) if name not in names]
    assert not missing, "Add to (or take out of) tests/contracts/subjects.py:\n  " + "\n  ".join(missing)
    return [*found, *(_handed_on(each) for each in found if each.page.model is Issue)]


def _questions(scene: Scene, page: Page, missing: list[str]) -> Iterator[Question]:
    values: list[tuple[str, dict[str, str]]] = [("", {})]
    parameters = _PARAMETER.findall(page.path)
    for parameter in parameters:
        found = _values(scene, page, parameter)
        if found is None:
            where = f"SUBJECTS[{page.model.__name__}]" if page.model and parameter == "id" else "PARAMETERS"
            missing.append(f"{where}: what {{{parameter}}} of page {page.name!r} ({page.path}) is")
            return
        values = [
            (label + (f"[{key}]" if key else ""), {**chosen, parameter: value})
            for label, chosen in values
            for key, value in found.items()
        ]
    of_unit = any(not {each, f"{page.name}.{each}"} & UNITLESS for each in parameters)
    unseen = page.public and not page.personal  # Such a page does not even look who asks.
    for method in page.methods:
        for label, chosen in values:
            name = page.name + label
            if method != "GET" and name not in ASKS:
                missing.append(f"ASKS[{name!r}]: a form that {method} {page.path} takes")
                continue
            ask = ASKS.get(name, Ask())
            relations = tuple(RELATIONS) if (of_unit or ask.over_unit) and not unseen else ("own", TOP)
            path = _filled(page.path, chosen) + (f"?{ask.query}" if ask.query else "")
            yield Question(name, page, method, path, ask, relations, of_unit)


def _filled(path: str, values: Mapping[str, str]) -> str:
    return _PARAMETER.sub(lambda match: values[match[1]], path)


def _handed_on(question: Question) -> Question:
    given = question.ask.given

    def handed_on(scene: Scene) -> None:
        if given is not None:
            given(scene)
        scene.handed_to_sibling()

    ask = replace(question.ask, given=handed_on)
    return replace(question, name=f"{question.name}[handed on]", ask=ask, relations=("own", "sibling"))


def _values(scene: Scene, page: Page, parameter: str) -> Mapping[str, str] | None:
    if parameter == "document":
        documents = current().registry.documents.values()
        return {each.name: each.name for each in documents if each.model is page.model} or {"none": "none"}
    if parameter == "id" and page.model is Activity:
        return {"": str(scene.evenings.subject_of(page))}
    if parameter == "id" and page.model is not None:
        subject = SUBJECTS.get(page.model)
        return {"": str(subject(scene))} if subject else None
    values = PARAMETERS.get(f"{page.name}.{parameter}") or PARAMETERS.get(parameter)
    return values(scene) if values else None
