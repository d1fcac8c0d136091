"""随机e谈: the record of a chat group's discussion, kept line by line on the desk, and what becomes of what was said
(002-A5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from msgspec.structs import replace
from starlette.datastructures import UploadFile
from starlette.responses import Response

from yetan.api import (
    Act,
    Field,
    Form,
    Invalid,
    NotFound,
    Page,
    Panel,
    RaiserInput,
    Refused,
    Request,
    change,
    clean,
    current,
    may,
    message_ids,
    translate,
)
from yetan_activities.api import Activity, held, hosted
from yetan_meetings.chat import SaidLine, read_chat
from yetan_meetings.forms import ONLINE_TALK
from yetan_meetings.ledger import NEED_FIELDS, TITLE, issue_needed, title_of, write_entry
from yetan_meetings.models import ChatLine, LedgerEntry

#: The longest record taken at once, in characters, in lines, and in bytes as a browser sends it.
_LONGEST, _MOST_LINES, _BODY = 100_000, 3000, 2 * 1024 * 1024
PASTE_FIELDS = (
    Field(
        "text",
        "聊天记录",
        "long_text",
        required=False,
        max_length=_LONGEST,
        hint="在群里多选消息，复制，粘贴到这里。图片和语音不收。",
    ),
    Field("file", "或者选一个文本文件（.txt）", "file", required=False),
)
_KEEP_IT = Field("keep", "记下来", "boolean", required=False)
#: What is said of the chosen lines when they go into the ledger.
CHOOSE_FIELDS = (
    Field(
        "what",
        "这几句说的是",
        "choice",
        choices=message_ids((("difficulties", "困难问题"), ("suggestions", "工作建议"))),
    ),
    Field(TITLE.name, TITLE.label, required=False, max_length=TITLE.max_length, hint="不写，就用头一句。"),
    *NEED_FIELDS,
)
_PAGE = Field("page", "第几页", "number", required=False, minimum=1, maximum=999)
_SHOWN = 100
_MOST_SAID = 1500


async def _talk(act: Act, activity_id: int) -> Activity:
    """The online talk, which the actor keeps. Raises `NotFound` for an activity of another kind."""
    activity = await hosted(act, activity_id)
    if activity.kind != ONLINE_TALK:
        raise NotFound
    return activity


def read_record(activity: Activity, text: str) -> list[SaidLine]:
    """The messages of a copied discussion, their times in the city's zone.

    Raises `Invalid` where there is none, or too many for once.
    """
    zone = current().configuration.city.zone
    lines = [
        replace(line, at=line.at.replace(tzinfo=zone) if line.at is not None else None)
        for line in read_chat(text, activity.date)
    ]
    if not lines:
        raise Invalid.field("text", "请粘贴聊天记录，或者选一个文本文件。")
    if len(lines) > _MOST_LINES:
        raise Invalid.field("text", "一次最多记 {most} 句，请分几次。", most=_MOST_LINES)
    return lines


@change(Activity, action="meetings.keep_chat")
async def keep_chat(act: Act, activity_id: int, text: str) -> Activity:
    """Keep a copied discussion as the record of the talk, behind what is kept already.

    A message with a time that is there already is not kept twice: people copy a little too much.
    """
    activity = await held((await _talk(act, activity_id)).id)
    there = await ChatLine.filter(activity_id=activity.id).order_by("position")
    known = {(line.name, line.text, line.at) for line in there if line.at is not None}
    new: list[ChatLine] = []
    for line in read_record(activity, text):
        at = line.at.astimezone(UTC) if line.at is not None else None
        if (line.name, line.text, at) not in known:
            new.append(ChatLine(activity_id=activity.id, position=0, at=at, name=line.name, text=line.text))
    first = there[-1].position + 1 if there else 1
    for position, row in enumerate(new, start=first):
        row.position = position
    await ChatLine.bulk_create(new)
    return activity


@change(LedgerEntry, action="condition.chat")
async def take_lines(act: Act, activity_id: int, chosen: Sequence[int], values: Mapping[str, Any]) -> LedgerEntry:
    """Write chosen lines into the ledger as one entry, `values` being CHOOSE_FIELDS, and make an issue if they say so.

    Those who said them are its raisers; what is written holds their words without their names. Raises `Refused` where
    one of the lines is in the ledger already.
    """
    activity = await held((await _talk(act, activity_id)).id)
    typed = clean(CHOOSE_FIELDS, values)
    lines = await ChatLine.filter(activity_id=activity.id, id__in=list(chosen)).order_by("position")
    if not lines:
        raise Invalid("请先勾选要记的话。")
    if any(line.entry_id is not None for line in lines):
        raise Refused("选的话里有已经记进台账的，请刷新页面再选。")
    said = "\n".join(line.text for line in lines)
    if len(said) > _MOST_SAID:
        raise Invalid(
            "选的话一共 {given} 个字，一条台账最多 {most} 个字，请少选几句。", given=len(said), most=_MOST_SAID
        )
    names = [name for name in dict.fromkeys(line.name for line in lines) if name]
    first = next((line.at for line in lines if line.at is not None), None)
    asked = {"basic": "", "difficulties": "", "suggestions": "", typed["what"]: said}
    entry = await write_entry(
        act,
        activity.unit_id,
        {
            **asked,
            "title": typed["title"] or title_of(asked),
            "date": current().calendar.local_date(first) if first is not None else activity.date,
            "source": "online",
            "who": translate("、").join(names)[:60],
            "phone": "",
            "official": act.actor.name,
        },
        activity_id=activity.id,
    )
    await ChatLine.filter(id__in=[line.id for line in lines]).update(entry_id=entry.id)
    await issue_needed(act, entry, typed, [RaiserInput(name) for name in names])
    return entry


# Pages


async def chat(request: Request) -> Response:
    """What was said, and what became of it."""
    activity = await _talk(request.act, request.subject.id)
    page = clean((_PAGE,), await request.values((_PAGE,)))["page"] or 1
    return await _chat(request, activity, page, Form(CHOOSE_FIELDS))


async def _chat(request: Request, activity: Activity, page: int, form: Form, status: int = 200) -> Response:
    kept = ChatLine.filter(activity_id=activity.id)
    lines = await kept.order_by("position").offset((page - 1) * _SHOWN).limit(_SHOWN + 1)
    shown = lines[:_SHOWN]
    entries = LedgerEntry.filter(id__in={line.entry_id for line in shown if line.entry_id is not None})
    path = request.templating.addresses.path
    return request.render(
        "meetings/chat.html",
        status,
        activity=activity,
        lines=shown,
        entries={entry.id: entry for entry in await entries.select_related("issue")},
        form=form,
        page=page,
        earlier=path("meetings.chat", id=activity.id, page=page - 1) if page > 1 else None,
        later=path("meetings.chat", id=activity.id, page=page + 1) if len(lines) > _SHOWN else None,
    )


async def submit_chosen(request: Request) -> Response:
    """Write the ticked lines into the ledger."""
    activity = await _talk(request.act, request.subject.id)
    page = clean((_PAGE,), await request.values((_PAGE,)))["page"] or 1
    rows = ChatLine.filter(activity_id=activity.id).order_by("position").offset((page - 1) * _SHOWN).limit(_SHOWN)
    ticks = {Field(f"line_{row['id']}", "", "boolean", required=False): row["id"] for row in await rows.values("id")}
    form = await request.form((*CHOOSE_FIELDS, *ticks))
    try:
        values = form.clean()
        chosen = [line for tick, line in ticks.items() if values[tick.name]]
        entry = await take_lines(request.act, activity.id, chosen, {name: values[name] for name in _chosen_names()})
    except Invalid as error:
        form.refuse(error)
        return await _chat(request, activity, page, form, error.status)
    except Refused as error:
        form.message = error.message
        return await _chat(request, activity, page, form, error.status)
    return request.redirect_to(
        request.templating.addresses.path("meetings.chat", id=activity.id, page=page) + f"#line-{entry.id}"
    )


def _chosen_names() -> list[str]:
    return [field.name for field in CHOOSE_FIELDS]


async def paste(request: Request) -> Response:
    """The form for a discussion."""
    activity = await _talk(request.act, request.subject.id)
    return request.render("meetings/chat_paste.html", activity=activity, form=Form(PASTE_FIELDS), lines=())


async def submit_paste(request: Request) -> Response:
    """Show how the discussion is read; sent again from there, keep it."""
    activity = await _talk(request.act, request.subject.id)
    form = await request.form((*PASTE_FIELDS, _KEEP_IT))
    lines: Sequence[SaidLine] = ()
    status = 200
    try:
        upload = form.values.get("file")
        if isinstance(upload, UploadFile):
            form.values |= {"text": _decoded(await upload.read()), "file": None}
        values = form.clean()
        lines = read_record(activity, values["text"])
        if values["keep"]:
            await keep_chat(request.act, activity.id, values["text"])
            return request.redirect("meetings.chat", id=activity.id)
        request.only_asks = True
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.refuse(error)
        form.message, status = error.message, error.status
    drawn = Form(PASTE_FIELDS, form.values, errors=form.errors, message=form.message)
    return request.render("meetings/chat_paste.html", status, activity=activity, form=drawn, lines=lines)


def _decoded(content: bytes) -> str:
    """A text file's text: in UTF-8, or as Windows in China writes it. Raises `Invalid` for what is no text."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Invalid.field("file", "这个文件不是文本文件（.txt），读不出来。请把聊天记录复制以后粘贴。")


async def chat_of(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """The panel on the talk's record: how much of the discussion is kept, and the way to it."""
    if not await may(act, _KEEP, [activity.unit_id]):
        return None
    kept = ChatLine.filter(activity_id=activity.id)
    return {"kept": await kept.count(), "taken": await kept.filter(entry_id__isnull=False).count()}


_KEEP = f"{ONLINE_TALK}.keep"
_CHAT = "/desk/activities/{id:int}/chat"
PAGES = (
    Page(_CHAT, chat, "meetings.chat", permission=_KEEP, model=Activity, sensitive=True),
    Page(_CHAT, submit_chosen, "meetings.chat.take", ("POST",), permission=_KEEP, model=Activity),
    Page(f"{_CHAT}/paste", paste, "meetings.chat.paste", permission=_KEEP, model=Activity),
    Page(
        f"{_CHAT}/paste",
        submit_paste,
        "meetings.chat.paste.submit",
        ("POST",),
        permission=_KEEP,
        model=Activity,
        body_limit=_BODY,
    ),
)
PANELS = (Panel("meetings.chat", f"desk.{ONLINE_TALK}", "meetings/chat_panel.html", chat_of, _KEEP, position=20),)
