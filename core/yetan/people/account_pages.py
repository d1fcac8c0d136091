"""Administration of accounts: who has one, which posts they hold, handing a post over, letting people in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Q

from yetan.access.roles import role_labels
from yetan.access.scope import visible
from yetan.errors import Forbidden, Refused
from yetan.i18n import translate as _
from yetan.people.accounts_table import COLUMNS, add_accounts, read_accounts
from yetan.people.models import Account, Link, Person, Post
from yetan.people.service import (
    ACCOUNT_FIELDS,
    END_FIELDS,
    HAND_OVER_FIELDS,
    LINK_FIELDS,
    LINK_KINDS,
    PERSON_FIELDS,
    POST_FIELDS,
    add_link,
    appoint,
    create_account,
    end_link,
    end_post,
    hand_over,
    invite,
    set_active,
    today,
)
from yetan.plugins.declarations import Page
from yetan.runtime import current
from yetan.spreadsheets import Cell
from yetan.units.models import Unit
from yetan.web.choices import choices_for, units_within
from yetan.web.downloads import listed
from yetan.web.forms import Choices, Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit
from yetan.web.table_imports import TableImport

MANAGE = "account.manage"
IMPORT = TableImport(
    name="admin.accounts.import",
    path="/admin/accounts/import",
    back="admin.accounts",
    kind="accounts",
    permission=MANAGE,
    title="导入账号",
    hint="列名：登录名、姓名、单位、角色、职务、从哪天起。",
    lead="一个岗位一行，一个人有几个岗位就写几行。先看一遍会新增哪些，确认以后才写入；有一行不对，就一行也不写。登录名已经有的不动。",
    columns=COLUMNS,
    read=read_accounts,
    load=add_accounts,
)
PAGE_SIZE = 50
SEARCH_FIELDS = (Field("q", "姓名或者登录名", required=False, max_length=60),)
AFTER = Field("after", "从哪一个接着看", "number", required=False, minimum=0)
_NEW_FIELDS = (*ACCOUNT_FIELDS, *PERSON_FIELDS)
_ACTIVE = Field("active", "启用", "boolean", required=False)


async def accounts(request: Request) -> Response:
    """The accounts within reach, found by name or sign-in name."""
    form = await request.form((*SEARCH_FIELDS, AFTER))
    asked = form.clean()
    query = visible(Account, request.act)
    if asked["q"]:
        query = query.filter(Q(username__icontains=asked["q"]) | Q(person__name__icontains=asked["q"]))
    if asked["after"] is not None:
        query = query.filter(id__gt=asked["after"])
    rows = await query.select_related("person").order_by("id").limit(PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    more = None
    if len(rows) > PAGE_SIZE:
        more = request.templating.addresses.path("admin.accounts", q=asked["q"], after=shown[-1].id)
    return request.render(
        "admin/accounts.html",
        form=Form(SEARCH_FIELDS, form.values),
        accounts=shown,
        posts=await _posts_now(request, [account.id for account in shown]),
        roles=role_labels(),
        more=more,
    )


async def _posts_now(request: Request, accounts: Sequence[int]) -> Mapping[int, list[Post]]:
    """The posts each account holds or will hold, by account."""
    held: dict[int, list[Post]] = {account: [] for account in accounts}
    running = Post.filter(account_id__in=list(accounts)).filter(
        Q(until__isnull=True) | Q(until__gte=today(request.act))
    )
    for post in await running.select_related("unit").order_by("id"):
        held[post.account_id].append(post)
    return held


async def export(request: Request) -> Response:
    """The accounts within reach with the posts they hold, a line for each post; without phone numbers."""
    rows = await visible(Account, request.act).select_related("person").order_by("id")
    posts = await _posts_now(request, [row.id for row in rows])
    labels = role_labels()
    cells: list[list[Cell]] = []
    for row in rows:
        active = _("是") if row.active else _("不是")
        held: list[list[Cell]] = [
            [post.unit.name, _(labels.get(post.role, post.role)), post.title, post.since, post.until]
            for post in posts[row.id]
        ]
        cells += [[row.username, row.person.name, *each, active] for each in held or [["", "", "", None, None]]]
    headings = (_("登录名"), _("姓名"), _("单位"), _("角色"), _("职务"), _("从哪天起"), _("到哪天止"), _("启用"))
    return await listed(request, "accounts", _("账号", count=2), headings, cells)


async def account(request: Request) -> Response:
    """An account: its posts and links, past ones too, and what can be done with it."""
    return await _account(request)


async def _account(request: Request, *, message: str = "", link: str = "", status: int = 200) -> Response:
    row: Account = request.subject
    return request.render(
        "admin/account.html",
        status=status,
        account=row,
        person=await Person.get(id=row.person_id),
        posts=await Post.filter(account_id=row.id).select_related("unit").order_by("-since", "-id"),
        links=await Link.filter(account_id=row.id, unit_id__isnull=False).select_related("unit").order_by("-since"),
        within={int(unit) for unit, _ in await units_within(request.act, MANAGE)},
        roles=role_labels(),
        link_kinds=dict(LINK_KINDS),
        today=today(request.act),
        message=message,
        link=link,
    )


async def switch(request: Request) -> Response:
    """Disable an account, or let it in again."""
    active = _ACTIVE.clean((await request.values((_ACTIVE,)))["active"])
    try:
        await set_active(request.act, request.subject.id, active)
    except (Forbidden, Refused) as error:
        return await _account(request, message=error.message, status=error.status)
    return request.redirect("admin.account", id=request.subject.id)


async def sign_in_link(request: Request) -> Response:
    """A one-time link, shown in this answer and never again."""
    try:
        token = await invite(request.act, request.subject.id)
    except (Forbidden, Refused) as error:
        return await _account(request, message=error.message, status=error.status)
    path = request.templating.addresses.path("sign_in_link", token=token)
    return await _account(request, link=current().configuration.base_url + path)


# New accounts


async def new_account(request: Request) -> Response:
    """The form."""
    return await _new_account(request, Form(_NEW_FIELDS, choices=await _units(request)))


async def submit_new_account(request: Request) -> Response:
    """Add the account and go to it, where posts are given."""
    made: list[Account] = []

    async def create(values: dict[str, Any]) -> None:
        made.append(await create_account(request.act, values))

    not_done = await submit(request, _NEW_FIELDS, create, choices=await _units(request))
    if not_done is not None:
        return await _new_account(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=made[0].id)


async def _new_account(request: Request, form: Form, status: int = 200) -> Response:
    return request.render("admin/account_new.html", status=status, form=form)


async def _units(request: Request) -> dict[str, Choices]:
    return {"unit": await units_within(request.act, MANAGE)}


# Posts and links


async def new_post(request: Request) -> Response:
    """The form for a post."""
    form = Form(POST_FIELDS, {"since": today(request.act).isoformat()}, choices=await _post_choices(request))
    return await _appointing(request, form)


async def submit_post(request: Request) -> Response:
    """Give the account a post."""
    not_done = await submit(
        request,
        POST_FIELDS,
        lambda values: appoint(request.act, request.subject.id, values),
        choices=await _post_choices(request),
    )
    if not_done is not None:
        return await _appointing(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=request.subject.id)


async def _post_choices(request: Request) -> dict[str, Choices]:
    return {"role": list(role_labels().items()), **await _units(request)}


async def _appointing(request: Request, form: Form, status: int = 200) -> Response:
    person = await Person.get(id=request.subject.person_id)
    return request.render("admin/account_post.html", status=status, form=form, account=request.subject, person=person)


async def new_link(request: Request) -> Response:
    """The form for a link."""
    form = Form(LINK_FIELDS, {"since": today(request.act).isoformat()}, choices=await _units(request))
    return await _linking(request, form)


async def submit_link(request: Request) -> Response:
    """Let the account's owner answer for a unit."""
    not_done = await submit(
        request,
        LINK_FIELDS,
        lambda values: add_link(request.act, request.subject.id, values),
        choices=await _units(request),
    )
    if not_done is not None:
        return await _linking(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=request.subject.id)


async def _linking(request: Request, form: Form, status: int = 200) -> Response:
    person = await Person.get(id=request.subject.person_id)
    return request.render("admin/account_link.html", status=status, form=form, account=request.subject, person=person)


async def post_end(request: Request) -> Response:
    """The form for the last day of a post."""
    return await _ending(request, Form(END_FIELDS, {"on": today(request.act).isoformat()}))


async def submit_post_end(request: Request) -> Response:
    """End a post."""
    not_done = await submit(request, END_FIELDS, lambda values: end_post(request.act, request.subject.id, values["on"]))
    if not_done is not None:
        return await _ending(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=request.subject.account_id)


async def link_end(request: Request) -> Response:
    """The form for the last day of a link."""
    return await _ending(request, Form(END_FIELDS, {"on": today(request.act).isoformat()}))


async def submit_link_end(request: Request) -> Response:
    """End a link."""
    not_done = await submit(request, END_FIELDS, lambda values: end_link(request.act, request.subject.id, values["on"]))
    if not_done is not None:
        return await _ending(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=request.subject.account_id)


async def _ending(request: Request, form: Form, status: int = 200) -> Response:
    return await _about_post(request, "admin/ending.html", form, status)


async def post_hand_over(request: Request) -> Response:
    """The form for handing a post over."""
    form = Form(HAND_OVER_FIELDS, {"on": today(request.act).isoformat()}, choices=await _successors(request))
    return await _handing_over(request, form)


async def submit_post_hand_over(request: Request) -> Response:
    """Hand a post over, with the open issues of its holder."""
    not_done = await submit(
        request,
        HAND_OVER_FIELDS,
        lambda values: hand_over(request.act, request.subject.id, values),
        choices=await _successors(request),
    )
    if not_done is not None:
        return await _handing_over(request, not_done.form, not_done.status)
    return request.redirect("admin.account", id=request.subject.account_id)


async def _successors(request: Request) -> dict[str, Choices]:
    """Everybody within reach whose account is active, also those without a post as yet."""
    rows = (
        await visible(Account, request.act)
        .filter(active=True)
        .exclude(id=request.subject.account_id)
        .select_related("person")
        .order_by("id")
    )
    named = await choices_for(request.act, HAND_OVER_FIELDS)
    labels = dict(named["successor"])
    offered = [
        (str(row.id), labels.get(str(row.id), _("{name}（{title}）", name=row.person.name, title=row.username)))
        for row in rows
    ]
    return {"successor": offered}


async def _handing_over(request: Request, form: Form, status: int = 200) -> Response:
    return await _about_post(request, "admin/hand_over.html", form, status)


async def _about_post(request: Request, template: str, form: Form, status: int) -> Response:
    """A page about a post or a link: whose it is, where."""
    row: Post | Link = request.subject
    holder = await Account.get(id=row.account_id).select_related("person")
    assert row.unit_id is not None, "links to households have no page here"
    return request.render(
        template,
        status=status,
        form=form,
        row=row,
        is_post=isinstance(row, Post),
        what=role_labels().get(row.role, row.role) if isinstance(row, Post) else _(dict(LINK_KINDS)[row.kind]),
        unit=await Unit.get(id=row.unit_id),
        holder=holder,
    )


def _both(path: str, name: str, show: Any, take: Any, model: type[Any] | None) -> tuple[Page, Page]:
    """A form's page: shown by GET, sent by POST."""
    return (
        Page(path, show, name, permission=MANAGE, model=model),
        Page(path, take, f"{name}.submit", methods=("POST",), permission=MANAGE, model=model),
    )


PAGES: tuple[Page, ...] = (
    Page("/admin/accounts", accounts, "admin.accounts", permission=MANAGE),
    Page("/admin/accounts/export", export, "admin.accounts.export", permission=MANAGE, sensitive=True),
    *IMPORT.pages(),
    *_both("/admin/accounts/new", "admin.account.new", new_account, submit_new_account, None),
    Page("/admin/accounts/{id:int}", account, "admin.account", permission=MANAGE, model=Account),
    Page(
        "/admin/accounts/{id:int}/active",
        switch,
        "admin.account.switch",
        methods=("POST",),
        permission=MANAGE,
        model=Account,
    ),
    Page(
        "/admin/accounts/{id:int}/sign-in-link",
        sign_in_link,
        "admin.account.sign_in_link",
        methods=("POST",),
        permission=MANAGE,
        model=Account,
    ),
    *_both("/admin/accounts/{id:int}/posts", "admin.account.post", new_post, submit_post, Account),
    *_both("/admin/accounts/{id:int}/links", "admin.account.link", new_link, submit_link, Account),
    *_both("/admin/posts/{id:int}/end", "admin.post.end", post_end, submit_post_end, Post),
    *_both("/admin/posts/{id:int}/hand-over", "admin.post.hand_over", post_hand_over, submit_post_hand_over, Post),
    *_both("/admin/links/{id:int}/end", "admin.link.end", link_end, submit_link_end, Link),
)
