"""Export and erasure of a person, following the column tags over every model of core and plugins (C73, C74)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from tortoise.expressions import F, Q
from tortoise.fields.data import CharField, JSONField, TextField
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from yetan.access.models import Session, SignInLink
from yetan.access.scope import require
from yetan.act import Act
from yetan.db.model import Record
from yetan.errors import Forbidden, NotFound, Refused
from yetan.events.service import emit, emit_many, new_event
from yetan.files.models import Attachment
from yetan.issues.models import Issue, Remark
from yetan.people.models import Account, Household, HouseholdMember, Person, Post
from yetan.people.service import today
from yetan.plugins.checks import all_models
from yetan.publication.models import Publication
from yetan.publication.projection import project
from yetan.publication.service import masked
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

    What the matter itself needs stays: issues, events and audit, under a number that names nobody. In everybody's
    words about the issues they had a part in they are masked, on the board at once. Raises `NotFound`, `Forbidden`,
    and `Refused` for somebody erased before or still in office.
    """
    person = await _person(person_id)
    await _require_privacy(act, person)
    if person.id == act.actor.person_id:
        raise Forbidden("不能删除自己的信息，请另一位管理员来做。")
    in_office = Post.filter(account__person_id=person.id).filter(Q(until__isnull=True) | Q(until__gte=today(act)))
    if await in_office.exists():
        raise Refused("这个人还在任。请先到“账号”里结束岗位或办理交接，再删除个人信息。")
    photos = [row["stored_name"] for row in await Attachment.filter(person_id=person_id).values("stored_name")]
    touched: Tally[str] = Tally()
    async with in_transaction():
        issues = await _concerned(person_id)
        told = [str(row["id"]) for row in await Remark.filter(person_id=person_id).values("id")]
        homes = [
            row["household_id"] for row in await HouseholdMember.filter(person_id=person_id).values("household_id")
        ]
        await _forget_account(person_id)
        for model in _personal_models():
            if model is not Person and model is not Account:
                touched[model._meta.db_table] += await _erase_rows(model, person_id)
        touched += await _hide_in_words(issues, person)
        await _take_words_back(issues, told)
        await Household.filter(id__in=homes, members__id__isnull=True).delete()
        touched[Person._meta.db_table] += await Person.filter(id=person_id).update(
            name="", phone="", address="", erased_at=act.now
        )
        await emit_many(
            act, [new_event(act, "issue.corrected", ("issue", each), data={"erased": True}) for each in issues]
        )
        await emit(act, "person.erased", ("person", person_id))
        await project(issues)
    for name in photos:
        current().files.delete(name)
    return {table: count for table, count in touched.items() if count}


async def _concerned(person_id: int) -> list[int]:
    """The issues in which the person had a part: raised, answered, wrote in or photographed."""
    found: set[int] = set()
    for model in _personal_models():
        rows = model.filter(**{model.privacy.person: person_id})
        if "issue" in model._meta.fk_fields:
            found |= {row["issue_id"] for row in await rows.filter(issue_id__isnull=False).values("issue_id")}
        elif _is_about_subjects(model):
            found |= {row["subject_id"] for row in await rows.filter(subject_kind="issue").values("subject_id")}
    return sorted(found)


def _is_about_subjects(model: type[Record]) -> bool:
    return {"subject_kind", "subject_id"} <= model._meta.fields_db_projection.keys()


async def _hide_in_words(issues: Sequence[int], person: Person) -> Tally[str]:
    """Mask the person in everybody's words about these issues, and whatever else would tell who somebody is.

    Versions move on, so that a form drawn before does not bring the words back.
    """
    touched: Tally[str] = Tally()
    for model in all_models(current().registry).values():
        rows: QuerySet[Any]
        if model is Issue:
            rows = model.filter(id__in=issues)
        elif "issue" in model._meta.fk_fields:
            rows = model.filter(issue_id__in=issues)
        elif _is_about_subjects(model):
            rows = model.filter(subject_kind="issue", subject_id__in=issues)
        else:
            continue
        columns = [
            name for name, tag in model.privacy.tags().items() if tag != "internal" and _holds_words(model, name)
        ]
        for row in await rows if columns else ():
            before = {name: getattr(row, name) for name in columns}
            after = {name: _hidden(value, person) for name, value in before.items()}
            if after != before:
                version = {"version": F("version") + 1} if "version" in model._meta.fields_map else {}
                touched[model._meta.db_table] += await model.filter(pk=row.pk).update(**after, **version)
    return touched


def _holds_words(model: type[Record], column: str) -> bool:
    return isinstance(model._meta.fields_map.get(column), (CharField, TextField, JSONField))


def _hidden(value: Any, person: Person) -> Any:
    """A text, or every text in a JSON value, without the person."""
    if isinstance(value, str):
        return masked(value.replace(person.phone, "***") if person.phone else value, [person.name])
    if isinstance(value, Mapping):
        return {key: _hidden(each, person) for key, each in value.items()}
    return [_hidden(each, person) for each in value] if isinstance(value, list) else value


async def _take_words_back(issues: Sequence[int], remarks: Sequence[str]) -> None:
    """Words that were the person's own are no longer published either, nor kept in a draft."""
    for publication in await Publication.filter(subject_kind="issue", subject_id__in=issues):
        for face in (publication.draft, publication.draft.get("source", {}), publication.approved):
            notes = face.get("notes", {})
            notes.update({remark: "" for remark in remarks if remark in notes})
        await publication.save(update_fields=["draft", "approved"])


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
