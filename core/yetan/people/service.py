"""Persons, accounts, posts and links; handing a post over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.expressions import F, Q
from tortoise.transactions import in_transaction

from yetan.access.roles import role_labels, roles_holding
from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.db.reading import load
from yetan.db.statements import fetch, marks
from yetan.errors import Forbidden, Invalid, NotFound, Refused
from yetan.events.models import Event
from yetan.events.service import emit, emit_many, new_event, set_due
from yetan.i18n import message_ids
from yetan.people.models import Account, Household, HouseholdMember, Link, Person, Post
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.units.service import root, subtree_of
from yetan.web.forms import Field, clean

#: The text a person agrees to when leaving a name or phone; raise its version when it changes (C71).
CONSENT_VERSION = "2026-1"
CONSENT = Field("consent", "我同意把姓名和电话用在办这件事、回访和验收上，随时可以要求删除", "boolean", required=False)
#: The event of a post changing hands, and what falls due on the day it does.
HANDED_OVER, TAKE_OVER = "post.handed_over", "post.take_over"
HOUSEHOLD_LINK = "household"
LINK_KINDS = message_ids((("sponsor", "挂包"), ("area", "包片"), (HOUSEHOLD_LINK, "联户")))

#: The posts that count on a day, as `valid_on` says it.
_HELD = "since <= ? AND (until IS NULL OR until >= ?)"
_OVER = f"""
SELECT 1 FROM yetan_post post JOIN yetan_account account ON account.id = post.account_id
JOIN yetan_unit_ancestor above ON above.ancestor_id = post.unit_id
WHERE account.id = ? AND account.active AND {_HELD} AND above.unit_id = ? LIMIT 1"""  # noqa: S608 - the constant above
_HOLDERS = f"""
SELECT DISTINCT account.id FROM yetan_post post JOIN yetan_account account ON account.id = post.account_id
WHERE account.active AND {_HELD} AND post.unit_id IN ({{units}})"""  # noqa: S608 - the constant above

PERSON_FIELDS = (
    Field("name", "姓名", max_length=60),
    Field("phone", "电话", "phone", required=False),
    Field("unit", "哪个村（社区）", "unit", required=False),
    Field("address", "住址", required=False, max_length=200),
)
ACCOUNT_FIELDS = (Field("username", "登录名", max_length=60, hint="字母、数字，或者工号。"),)
POST_FIELDS = (
    Field("role", "角色", "choice"),
    Field("unit", "单位", "unit"),
    Field("title", "职务", required=False, max_length=60),
    Field("rank", "职级", required=False, max_length=30),
    Field("since", "从哪天起", "date"),
    Field("until", "到哪天止", "date", required=False, hint="不填就是一直有效。"),
)
END_FIELDS = (Field("on", "最后一天", "date"),)
HOUSEHOLD_FIELDS = (
    Field("unit", "哪个村（社区）", "unit"),
    Field("address", "门牌地址", max_length=200),
)
MEMBER_FIELDS = (
    Field("name", "姓名", max_length=60),
    Field("phone", "电话", "phone", required=False),
)
OFFICIAL_FIELDS = (Field("official", "联户干部", "account", required=False, hint="经常联系这一户的人。"),)
LINK_FIELDS = (
    Field("kind", "联系方式", "choice", choices=LINK_KINDS),
    Field("unit", "联系的村（社区）", "unit"),
    Field("since", "从哪天起", "date"),
    Field("until", "到哪天止", "date", required=False),
)
HAND_OVER_FIELDS = (
    Field("successor", "交给谁", "account"),
    Field("on", "从哪天起", "date", hint="原来的人做到前一天为止。"),
)


def require_consent(values: Mapping[str, Any]) -> None:
    """Raise `Invalid` where somebody leaves a "name" or "phone" and has not agreed to `CONSENT` (C71)."""
    if (values["name"] or values["phone"]) and not values[CONSENT.name]:
        raise Invalid.field(
            CONSENT.name, "留了姓名或电话，要勾选同意我们才能保存；不想留的，把姓名和电话清空也能提交。"
        )


async def find_or_add_person(
    act: Act, name: str, phone: str, unit_id: int | None, person_id: int | None = None
) -> Person:
    """The person of that id; or who left exactly this name and phone before; or somebody new.

    Name and phone both have to match: a phone alone would let anybody attach matters to somebody else.
    """
    if person_id is not None:
        there = await load(Person, "id = ? AND erased_at IS NULL", [person_id])
        if not there:
            raise Invalid("没有这位居民的记录，请重新填写姓名和电话。")
        return there[0]
    if name and phone:
        known = await Person.filter(name=name, phone=phone, erased_at=None).order_by("id").first()
        if known is not None:
            return known
    return await Person.create(
        name=name,
        phone=phone,
        unit_id=unit_id,
        created_at=act.now,
        consented_at=act.now,
        consent_version=CONSENT_VERSION,
    )


def today(act: Act) -> date:
    """The date of the act in the deployment's time zone."""
    return current().calendar.local_date(act.now)


def valid_on(day: date) -> Q:
    """Posts and links that count on a day; the last day counts."""
    return Q(since__lte=day) & (Q(until__isnull=True) | Q(until__gte=day))


async def posts_on(accounts: Sequence[int], day: date) -> list[Post]:
    """The posts accounts hold on a day."""
    if not accounts:
        return []
    held = f"{_HELD} AND account_id IN ({marks(len(accounts))}) ORDER BY id"
    return await load(Post, held, [day, day, *accounts])


async def acts_for(account: int, unit: int, day: date) -> bool:
    """Whether an active account holds a post in the unit or above it on a day."""
    return bool(await fetch(_OVER, [account, day, day, unit]))


async def accounts_in(units: Sequence[int], day: date, *, roles: Sequence[str] = ()) -> list[Account]:
    """The active accounts with a post in one of the units on a day, of any or of certain roles; with their persons."""
    ids = await ids_in(units, day, roles=roles)
    return await Account.filter(id__in=ids).select_related("person").order_by("id") if ids else []


async def ids_in(units: Sequence[int], day: date, *, roles: Sequence[str] = ()) -> list[int]:
    """The ids of these accounts."""
    if not units:
        return []
    held = _HOLDERS.format(units=marks(len(units)))
    if roles:
        held += f" AND post.role IN ({marks(len(roles))})"
    return [row["id"] for row in await fetch(f"{held} ORDER BY account.id", [day, day, *units, *roles])]


@change(Account)
async def create_account(act: Act, values: dict[str, Any]) -> Account:
    """Add a person with an account. It has no password until its owner sets one through a sign-in link (C40)."""
    units = (
        [values["unit"]]
        if values.get("unit")
        else [row["id"] for row in await Unit.filter(parent_id=None).values("id")]
    )
    await require(act, "account.manage", units)
    cleaned = clean((*ACCOUNT_FIELDS, *PERSON_FIELDS), values)
    person = await Person.create(
        name=cleaned["name"],
        phone=cleaned["phone"],
        unit_id=cleaned["unit"],
        address=cleaned["address"],
        created_at=act.now,
        consented_at=act.now,
        consent_version=CONSENT_VERSION,
    )
    return await add_account(act, person, cleaned["username"])


async def add_account(act: Act, person: Person, username: str) -> Account:
    """Give a person an account. Raises `Invalid` when the name is taken."""
    try:
        async with in_transaction():
            account = await Account.create(person_id=person.id, username=username, created_at=act.now)
    except IntegrityError:
        raise Invalid.field("username", "登录名“{username}”已经有人用了，请换一个。", username=username) from None
    await emit(act, "account.added", ("account", account.id))
    return account


async def require_over(act: Act, account: Account) -> None:
    """Raise `Forbidden` unless the actor manages every unit the account has or will have a post in.

    One of them is not enough: whoever could let themselves in as an account would get all its posts. An account
    without posts belongs to its person's unit, else to the city.
    """
    posts = Post.filter(account_id=account.id).filter(Q(until__isnull=True) | Q(until__gte=today(act)))
    units = {row["unit_id"] for row in await posts.values("unit_id")}
    if not units:
        person = await Person.get(id=account.person_id)
        units = {person.unit_id if person.unit_id is not None else (await root()).id}
    for unit in units:
        await require(act, "account.manage", [unit])


async def _usable(account_id: int) -> Account:
    """The account, whose person's data have not been erased."""
    account = await Account.get_or_none(id=account_id).select_related("person")
    if account is None:
        raise NotFound
    if account.person.erased_at is not None:
        raise Refused("这个人的信息已经删除，账号不能再用。需要的话，请另建一个账号。")
    return account


@change(Account)
async def set_active(act: Act, account_id: int, active: bool) -> Account:
    """Disable an account, or let it in again. Disabling ends its sessions at once (C36)."""
    from yetan.access.models import Session

    account = await _usable(account_id)
    if account.id == act.actor.account_id:
        raise Forbidden("不能停用自己的账号，请另一位管理员来做。")
    await require_over(act, account)
    account.active = active
    await account.save(update_fields=["active"])
    if not active:
        await Session.filter(account_id=account.id).delete()
    await emit(act, "account.changed", ("account", account.id), data={"active": active})
    return account


async def invite(act: Act, account_id: int) -> str:
    """The token of a link that signs an account in once; to be handed to its owner, and shown to nobody again (C40).

    Raises `Forbidden`, and `Refused` for an account that is switched off.
    """
    from yetan.access.sessions import issue_link

    account = await _usable(account_id)
    await require_over(act, account)
    if not account.active:
        raise Refused("这个账号已经停用。请先恢复它，再发登录链接。")
    return await issue_link(account, act.now, key=act.key)


@change(Post)
async def appoint(act: Act, account_id: int, values: dict[str, Any]) -> Post:
    """Give an account a post from a day on; one account may hold several."""
    await _usable(account_id)
    cleaned = clean(POST_FIELDS, values, {"role": list(role_labels().items())})
    await require(act, "account.manage", [cleaned["unit"]])
    if cleaned["until"] is not None and cleaned["until"] < cleaned["since"]:
        raise Invalid.field("until", "结束日期不能早于开始日期。")
    post = await Post.create(
        account_id=account_id,
        role=cleaned["role"],
        unit_id=cleaned["unit"],
        title=cleaned["title"],
        rank=cleaned["rank"],
        since=cleaned["since"],
        until=cleaned["until"],
    )
    await emit(act, "post.appointed", ("post", post.id), data={"account_id": account_id, "unit_id": post.unit_id})
    return post


@change(Post)
async def end_post(act: Act, post_id: int, on: date) -> Post:
    """End a post; `on` is its last day. Nobody ends the post they manage accounts by: somebody has to stay who can."""
    post = await Post.get_or_none(id=post_id)
    if post is None:
        raise NotFound
    await require(act, "account.manage", [post.unit_id])
    if post.account_id == act.actor.account_id and post.role in roles_holding("account.manage"):
        raise Forbidden("不能结束自己的管理岗位，否则可能没人能管账号了。请办理交接，或者请另一位管理员来做。")
    if on < post.since:
        raise Invalid.field("on", "结束日期不能早于任职日期。")
    post.until = on
    await post.save(update_fields=["until"])
    await emit(act, "post.ended", ("post", post.id))
    return post


@change(Post)
async def hand_over(act: Act, post_id: int, values: dict[str, Any]) -> Post:
    """Hand a post over, and its open issues on the day it changes hands.

    The successor's post is returned; the predecessor's ends the day before, if it has not ended already.
    """
    post = await Post.get_or_none(id=post_id)
    if post is None:
        raise NotFound
    await require(act, "account.manage", [post.unit_id])
    cleaned = clean(HAND_OVER_FIELDS, values)
    if cleaned["successor"] == post.account_id:
        raise Invalid.field("successor", "请选另一个人。")
    if not await Account.filter(id=cleaned["successor"], active=True).exists():
        raise Invalid.field("successor", "没有这个账号，或者已经停用，请重新选。")
    if cleaned["on"] <= post.since:
        raise Invalid.field("on", "交接日期要晚于原来的任职日期。")
    last_day = cleaned["on"] - timedelta(days=1)
    post.until = min(post.until, last_day) if post.until is not None else last_day
    await post.save(update_fields=["until"])
    successor = await Post.create(
        account_id=cleaned["successor"],
        role=post.role,
        unit_id=post.unit_id,
        title=post.title,
        rank=post.rank,
        since=cleaned["on"],
    )
    await emit(act, HANDED_OVER, ("post", successor.id), data={"from": post.id})
    if successor.since <= today(act):
        await take_over(act, successor.id)
    else:
        morning = current().calendar.end_of_day(last_day) + timedelta(seconds=1)
        await set_due(TAKE_OVER, ("post", successor.id), morning)
    return successor


async def take_over(act: Act, post_id: int) -> None:
    """Give the open issues of the post's predecessor to whoever holds it now."""
    from yetan.issues.lifecycle import states_of
    from yetan.issues.models import Issue

    successor = await Post.get_or_none(id=post_id)
    event = await Event.filter(type=HANDED_OVER, subject_kind="post", subject_id=post_id).order_by("-id").first()
    if successor is None or event is None:
        return
    post = await Post.get(id=event.data["from"])
    open_states = states_of("open", "awaiting")
    units = await subtree_of(post.unit_id)
    moved = Issue.filter(state__in=open_states, responsible_unit_id__in=units)
    ids = [row["id"] for row in await moved.filter(owner_id=post.account_id).order_by("id").values("id")]
    await Issue.filter(id__in=ids).update(owner_id=successor.account_id, version=F("version") + 1)
    await moved.filter(supervisor_id=post.account_id).update(
        supervisor_id=successor.account_id, version=F("version") + 1
    )
    data = {"from": post.account_id, "owner_id": successor.account_id}
    await emit_many(act, [new_event(act, "issue.assigned", ("issue", each), data=data) for each in ids])


@change(Link)
async def add_link(act: Act, account_id: int, values: dict[str, Any]) -> Link:
    """Let an official answer for a unit (002-C9)."""
    await _usable(account_id)
    cleaned = clean(LINK_FIELDS, values)
    await require(act, "account.manage", [cleaned["unit"]])
    if cleaned["until"] is not None and cleaned["until"] < cleaned["since"]:
        raise Invalid.field("until", "结束日期不能早于开始日期。")
    link = await Link.create(
        account_id=account_id,
        kind=cleaned["kind"],
        unit_id=cleaned["unit"],
        since=cleaned["since"],
        until=cleaned["until"],
    )
    await emit(act, "link.added", ("link", link.id), data={"unit_id": cleaned["unit"]})
    return link


@change(Link)
async def end_link(act: Act, link_id: int, on: date) -> Link:
    """End a link; `on` is its last day."""
    link = await Link.get_or_none(id=link_id)
    if link is None or link.unit_id is None:
        raise NotFound
    await require(act, "account.manage", [link.unit_id])
    if on < link.since:
        raise Invalid.field("on", "结束日期不能早于开始日期。")
    link.until = on
    await link.save(update_fields=["until"])
    await emit(act, "link.ended", ("link", link.id))
    return link


@change(Household)
async def add_household(act: Act, unit_id: int, address: str, persons: Sequence[int]) -> Household:
    """Put persons into a household at an address; a person moves from the household they were in."""
    await require(act, "household.manage", [unit_id])
    household, _ = await Household.get_or_create(unit_id=unit_id, address=address, defaults={"created_at": act.now})
    for person_id in persons:
        await _move_in(household, person_id)
    return household


@change(Household)
async def add_member(act: Act, household_id: int, values: dict[str, Any]) -> Household:
    """Add somebody to a household; who is known by this name and phone moves in from where they were."""
    household = await Household.get(id=household_id)
    await require(act, "household.manage", [household.unit_id])
    cleaned = clean(MEMBER_FIELDS, values)
    person = await find_or_add_person(act, cleaned["name"], cleaned["phone"], household.unit_id)
    await _move_in(household, person.id)
    return household


@change(Household)
async def remove_member(act: Act, household_id: int, person_id: int) -> Household:
    """Take somebody out of a household; the person stays known."""
    household = await Household.get(id=household_id)
    await require(act, "household.manage", [household.unit_id])
    await HouseholdMember.filter(household_id=household_id, person_id=person_id).delete()
    return household


@change(Household)
async def set_official(act: Act, household_id: int, account_id: int | None) -> Household:
    """Say which official keeps in touch with a household from today on (联户), in place of who did; or nobody."""
    household = await Household.get(id=household_id)
    await require(act, "household.manage", [household.unit_id])
    day = today(act)
    running = Link.filter(valid_on(day), kind=HOUSEHOLD_LINK, household_id=household_id)
    if account_id is None or not await running.filter(account_id=account_id).exists():
        # A link of this very day never counted for anybody.
        await running.filter(since=day).delete()
        await running.update(until=day - timedelta(days=1))
        if account_id is not None:
            link = await Link.create(account_id=account_id, kind=HOUSEHOLD_LINK, household_id=household_id, since=day)
            await emit(act, "link.added", ("link", link.id), data={"unit_id": household.unit_id})
    return household


async def official_of(act: Act, household_id: int) -> Account | None:
    """Who keeps in touch with a household today, with their person."""
    links = Link.filter(valid_on(today(act)), kind=HOUSEHOLD_LINK, household_id=household_id)
    link = await links.select_related("account__person").order_by("-id").first()
    return link.account if link is not None else None


async def _move_in(household: Household, person_id: int) -> None:
    await HouseholdMember.filter(person_id=person_id).delete()
    await HouseholdMember.create(household_id=household.id, person_id=person_id)
