"""Export and erasure of a person, following the column tags over every model of core and plugins (C73, C74)."""

from __future__ import annotations

from typing import Any

from tortoise.expressions import Q
from tortoise.fields.data import CharField, TextField
from tortoise.transactions import in_transaction

from yetan.access.models import Session, SignInLink
from yetan.access.scope import require
from yetan.act import Act
from yetan.db.model import Record
from yetan.errors import Forbidden, NotFound, Refused
from yetan.events.service import emit
from yetan.files.models import Attachment
from yetan.issues.models import Issue, Raiser
from yetan.people.models import Account, Person, Post
from yetan.people.service import today
from yetan.plugins.checks import all_models
from yetan.publication.masking import mask
from yetan.runtime import current
from yetan.units.service import root


def _personal_models() -> list[type[Record]]:
    return [model for model in all_models(current().registry).values() if model.privacy.person]


async def _person(person_id: int) -> Person:
    """The person, whose data are still there."""
    person = await Person.get_or_none(id=person_id)
    if person is None:
        raise NotFound
    if person.erased_at is not None:
        raise Refused("这个人的信息已经删除过了，没有可以导出或删除的内容。")
    return person


async def _require_privacy(act: Act, person: Person) -> None:
    """Who belongs to no unit belongs to the city."""
    unit = person.unit_id if person.unit_id is not None else (await root()).id
    await require(act, "person.privacy", [unit])


async def export_person(act: Act, person_id: int) -> dict[str, list[dict[str, Any]]]:
    """Everything held about a person, by table: what may be handed to them. Internal columns other than ids stay out.

    Raises `NotFound`, `Forbidden`, and `Refused` once they have been erased.
    """
    await _require_privacy(act, await _person(person_id))
    found: dict[str, list[dict[str, Any]]] = {}
    for model in _personal_models():
        shown = {name for name, tag in model.privacy.tags().items() if tag != "internal"} | {
            "id",
            "at",
            "created_at",
        }
        columns = [
            column
            for column in model._meta.fields_db_projection
            if column.removesuffix("_id") in shown or column in shown
        ]
        hidden = {"password_hash", "token_hash"}
        rows = await model.filter(**{model.privacy.person: person_id}).values(*[c for c in columns if c not in hidden])
        if rows:
            found[model._meta.db_table] = [dict(row) for row in rows]
    issues = Issue.filter(raisers__person_id=person_id)
    if rows := await issues.values("number", "title", "text", "place", "raised_at", "state"):
        found[Issue._meta.db_table] = [dict(row) for row in rows]
    return found


async def erase_person(act: Act, person_id: int) -> dict[str, int]:
    """Erase a person from every table, upload and, through the events told here, the index. Returns rows by table.

    What the matter itself needs stays: issues, events and audit, under a number that names nobody. Their words in
    issues they alone raised are replaced by the masked ones. Raises `NotFound`, `Forbidden`, and `Refused` for
    somebody erased before or still in office.
    """
    person = await _person(person_id)
    await _require_privacy(act, person)
    if person.id == act.actor.person_id:
        raise Forbidden("不能删除自己的信息，请另一位管理员来做。")
    in_office = Post.filter(account__person_id=person.id).filter(Q(until__isnull=True) | Q(until__gte=today(act)))
    if await in_office.exists():
        raise Refused("这个人还在任。请先到“账号”里结束岗位或办理交接，再删除个人信息。")
    touched: dict[str, int] = {}
    photos = [row["stored_name"] for row in await Attachment.filter(person_id=person_id).values("stored_name")]
    async with in_transaction():
        issue_ids = [row["issue_id"] for row in await Raiser.filter(person_id=person_id).values("issue_id")]
        for issue in await Issue.filter(id__in=issue_ids):
            await _mask_issue(issue)
            await emit(act, "issue.corrected", ("issue", issue.id), data={"erased": True})
        await _forget_account(person_id)
        for model in _personal_models():
            if model is Person or model is Account:
                continue
            count = await _erase_rows(model, person_id)
            if count:
                touched[model._meta.db_table] = count
        touched[Person._meta.db_table] = await Person.filter(id=person_id).update(
            name="", phone="", address="", erased_at=act.now
        )
        await emit(act, "person.erased", ("person", person_id))
    for name in photos:
        current().files.delete(name)
    return touched


async def _forget_account(person_id: int) -> None:
    """An account that did things cannot go: it is emptied, shut, and keeps its number alone."""
    account = await Account.get_or_none(person_id=person_id)
    if account is None:
        return
    await Session.filter(account_id=account.id).delete()
    await SignInLink.filter(account_id=account.id).delete()
    await Account.filter(id=account.id).update(username=f"erased-{account.id}", password_hash="", active=False)


async def _erase_rows(model: type[Record], person_id: int) -> int:
    erase = model.privacy.erase
    rows = model.filter(**{model.privacy.person: person_id})
    if callable(erase):
        await erase(person_id)
        return await rows.count()
    if erase == "delete":
        return await rows.delete()
    cleared = {}
    for name, tag in model.privacy.tags().items():
        field = model._meta.fields_map.get(name)
        if tag in ("personal", "sensitive") and name != model.privacy.person:
            cleared[name] = "" if isinstance(field, (CharField, TextField)) else None
    return await rows.update(**cleared) if cleared else 0


async def _mask_issue(issue: Issue) -> None:
    values = {name: mask(getattr(issue, name)).text for name in ("title", "text", "place")}
    await Issue.filter(id=issue.id).update(**values)
