"""Administration of searching: the town's synonyms, who changed them, and whether the index should be rebuilt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from yetan.act import Act
from yetan.i18n import translate as _
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.searching.models import SynonymChange, SynonymRing
from yetan.searching.synonyms import MANAGE, add_ring, change_ring, rings
from yetan.searching.synonyms_table import COLUMNS, add_rings, read_synonyms
from yetan.searching.vocabulary import learn, rebuild_due_or_why_not
from yetan.web.downloads import listed
from yetan.web.forms import Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit
from yetan.web.table_imports import TableImport


async def _load(act: Act, rows: Sequence[tuple[int, str]]) -> None:
    """Bring rings in, and search by them at once."""
    await add_rings(act, rows)
    await learn()


IMPORT = TableImport(
    name="admin.synonyms.import",
    path="/admin/synonyms/import",
    back="admin.synonyms",
    kind="synonyms",
    permission=MANAGE,
    title="导入同义词",
    hint="列名：意思相同的词。一组一行，词和词中间空一格，也可以一格一个词。",
    lead="先看一遍会新增哪些，确认以后才写入；有一行不对，就一行也不写。已经有的不动。",
    columns=COLUMNS,
    read=read_synonyms,
    load=_load,
)
_WORDS = Field("words", "意思相同的词", max_length=300, hint="中间空一格，例如：堵车 塞车 拥堵。")
_CHANGE = (
    Field("ring", "哪一组", "number"),
    Field("version", "第几版", "number"),
    _WORDS,
    Field("active", "启用", "boolean", required=False),
)
_TRY = Field("word", "试一个词", required=False, max_length=20)


async def synonyms(request: Request) -> Response:
    """The town's rings with what became of them, a form for another, and what else is searched for a word."""
    return await _synonyms(request, Form((_WORDS,)))


async def export(request: Request) -> Response:
    """The rings that hold, a line for each."""
    rows = await rings()
    return await listed(request, "synonyms", _("同义词"), [_("意思相同的词")], [[" ".join(each)] for each in rows])


async def submit_ring(request: Request) -> Response:
    """Add a ring."""
    return await _submit(request, (_WORDS,), lambda values: add_ring(request.act, values["words"]))


async def submit_change(request: Request) -> Response:
    """Change a ring's words, or whether it holds."""
    return await _submit(
        request,
        _CHANGE,
        lambda values: change_ring(request.act, values["ring"], values["version"], values["words"], values["active"]),
    )


async def _submit(request: Request, fields: tuple[Field, ...], service: Any) -> Response:
    not_done = await submit(request, fields, service)
    if not_done is not None:
        return await _synonyms(request, not_done.form, not_done.status)
    await learn()
    return request.redirect("admin.synonyms")


async def _synonyms(request: Request, form: Form, status: int = 200) -> Response:
    word = str((await request.values((_TRY,)))["word"] or "").strip()[:20] if request.method == "GET" else ""
    backend = current().search
    history: dict[int, list[SynonymChange]] = defaultdict(list)
    for change in await SynonymChange.all().select_related("changed_by__person").order_by("-id").limit(500):
        history[change.ring_id].append(change)
    return request.render(
        "admin/synonyms.html",
        status=status,
        form=form,
        rings=await SynonymRing.all().order_by("-active", "-id"),
        history=history,
        word=word,
        same=backend.same_as(word) if backend is not None and word else (),
        due=await rebuild_due_or_why_not(),
    )


PAGES: tuple[Page, ...] = (
    Page("/admin/synonyms", synonyms, "admin.synonyms", permission=MANAGE),
    Page("/admin/synonyms/export", export, "admin.synonyms.export", permission=MANAGE, sensitive=True),
    *IMPORT.pages(),
    Page("/admin/synonyms", submit_ring, "admin.synonyms.submit", methods=("POST",), permission=MANAGE),
    Page("/admin/synonyms/change", submit_change, "admin.synonyms.change", methods=("POST",), permission=MANAGE),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "同义词", "admin.synonyms", MANAGE, position=35),)
