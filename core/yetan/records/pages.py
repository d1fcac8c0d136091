"""The pages of a kind of record: the desk's list, form and sheet, the public list and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response
from tortoise.queryset import QuerySet

from yetan.access.scope import holds, may, search_scopes, visible
from yetan.act import Act
from yetan.documents.pages import paper
from yetan.documents.service import documents_of
from yetan.errors import Conflict, Invalid, NotFound, Refused
from yetan.files.service import BODY_LIMIT
from yetan.i18n import translate as _
from yetan.log import log
from yetan.people.service import today
from yetan.plugins.declarations import Page
from yetan.publication.card_pages import Card, picture_of
from yetan.publication.models import Publication
from yetan.publication.service import WITHDRAW_FIELDS
from yetan.publication.views import photo_views
from yetan.records.kind import Column, RecordKind
from yetan.records.models import PublicRecord, UnitRecord
from yetan.records.photos import PHOTO_FIELDS, add_photos, photos_of, remove_photo
from yetan.records.service import UNIT_FIELD, alter, face_of, keep, publish, withdraw
from yetan.search import PUBLIC_SCOPE, SearchQuery, SearchUnavailable
from yetan.searching.service import ask
from yetan.spreadsheets import Cell
from yetan.units.models import Unit
from yetan.web.choices import units_within
from yetan.web.downloads import listed
from yetan.web.forms import VERSION_FIELD, Field, Form
from yetan.web.paging import latest_first
from yetan.web.panels import panels
from yetan.web.request import Request, drawn_number
from yetan.web.submitting import submit

PAGE_SIZE = 20
#: More rows are no sheet to work with, and would keep the server busy.
MOST_EXPORTED = 5000
_LIST = (
    Field("q", "写名称、地方或者别的字", required=False),
    Field("before", "从哪一条接着看", "hidden", required=False, max_length=30),
)
_PHOTO = Field("photo", "照片", "hidden", max_length=9)


class RecordRow(Struct, frozen=True):
    """A record in a list. `public` only where the list says so: whether residents can read it."""

    title: str
    href: str
    date: date
    unit_name: str
    public: bool | None = None
    #: What stands in the kind's further columns.
    columns: tuple[Any, ...] = ()


class RecordPages:
    """The pages of one kind, by their names."""

    def __init__(self, kind: RecordKind) -> None:
        self.kind = kind
        self.public_list = f"records.{kind.name}"
        self.public_record = f"records.{kind.name}.record"
        self.card = f"records.{kind.name}.card"
        self.list = f"desk.{kind.name}"
        self._desk = f"/desk/records/{kind.name}"
        self._one = self._desk + "/{id:int}"
        self.record = f"desk.{kind.name}.record"

    def on_desk(self) -> tuple[Page, ...]:
        """The desk's pages, with their addresses and permissions."""
        kind, desk, one = self.kind, self._desk, self._one
        view, keeps = kind.permission("view"), kind.permission("keep")
        photos = (
            self._deed("photos", self.submit_photos, "keep", body_limit=BODY_LIMIT),
            self._deed("photos.remove", self.submit_photo_gone, "keep"),
        )
        return (
            Page(desk, self.show_list, self.list, permission=view),
            Page(desk + "/new", self.show_new, f"{self.list}.new", permission=keeps),
            Page(desk + "/new", self.submit_new, f"{self.list}.new.submit", ("POST",), permission=keeps),
            Page(desk + "/export", self.export, f"{self.list}.export", permission=view, sensitive=True),
            Page(one, self.show_record, self.record, permission=view, model=kind.model, sensitive=self._has_persons),
            Page(one, self.submit_record, f"{self.list}.alter", ("POST",), permission=keeps, model=kind.model),
            Page(
                one + "/print/{document}",
                self.show_document,
                f"{self.list}.document",
                permission=view,
                model=kind.model,
                sensitive=True,
            ),
            *(photos if kind.photos else ()),
        )

    def in_public(self) -> tuple[Page, ...]:
        """The public pages, and what puts records there and takes them down."""
        path = f"/records/{self.kind.name}"
        return (
            Page(path, self.show_public_list, self.public_list, public=True, budget="search"),
            Page(path + "/{id:int}", self.show_public_record, self.public_record, public=True),
            Page(path + "/{id:int}/card.png", self.show_card, self.card, public=True, budget="overviews"),
            self._deed("publish", self.submit_publish, "publish"),
            self._deed("withdraw", self.submit_withdraw, "publish"),
        )

    def _deed(self, name: str, endpoint: Any, right: str, **declared: Any) -> Page:
        """What is done to a record by one press, with the right to "keep" or "publish" it."""
        path, permission = f"{self._one}/{name.replace('.', '/')}", self.kind.permission(right)
        return Page(
            path, endpoint, f"{self.list}.{name}", ("POST",), permission=permission, model=self.kind.model, **declared
        )

    @property
    def _choices(self) -> tuple[Field, ...]:
        """What the desk's list and its Excel file can be narrowed by: the choices of the form."""
        return tuple(
            replace(field, required=False, hint="")
            for field in self.kind.form
            if field.kind == "choice" and field.choices
        )

    @property
    def _has_persons(self) -> bool:
        """Whether a record says anything of a person, so that each look at it is recorded."""
        tags = self.kind.model.privacy.tags()
        return any(tags[field.name] in ("personal", "sensitive") for field in self.kind.form)

    # The public

    async def show_public_list(self, request: Request) -> Response:
        """What is published, the latest first; with words, what has them."""
        form = await request.form(_LIST)
        typed = form.clean()
        rows = PublicRecord.filter(kind=self.kind.name)
        scopes = frozenset({PUBLIC_SCOPE})
        page = await self._page(rows, "record_id", typed, self.kind.public_kind, scopes)
        units = await _unit_names(page.rows)
        path = request.templating.addresses.path
        return request.render(
            "public/records.html",
            kind=self.kind,
            form=form,
            words=typed["q"],
            rows=[
                RecordRow(row.title, path(self.public_record, id=row.record_id), row.date, units[row.unit_id])
                for row in page.rows
            ],
            more=path(self.public_list, before=page.more) if page.more else None,
            cut=page.cut,
        )

    async def show_public_record(self, request: Request) -> Response:
        """One that is published."""
        row = await self._published(request)
        context = self.kind.public_context
        return request.render(
            self.kind.public_template,
            kind=self.kind,
            record=row,
            unit=await Unit.get(id=row.unit_id),
            pairs=_pairs(self.kind, row.face, without=self.kind.title),
            photos=photo_views(request.templating.addresses.path, "public_photo", row.face.get("photos", ())),
            panels=await panels(request, self.kind.name, row),
            **(await context(request, row) if context is not None else {}),
        )

    async def show_card(self, request: Request) -> Response:
        """The picture beside a shared link to a record."""
        row = await self._published(request)
        if self.kind.card is not None:
            return await picture_of(await self.kind.card(request.act, row))
        unit = await Unit.get(id=row.unit_id)
        return await picture_of(Card(_(self.kind.label), row.title, foot=unit.name))

    async def _published(self, request: Request) -> PublicRecord:
        """The published record of the path. Raises `NotFound` for any other."""
        row = await PublicRecord.get_or_none(kind=self.kind.name, record_id=request.path_params["id"])
        if row is None:
            raise NotFound
        return row

    # The desk

    async def show_list(self, request: Request) -> Response:
        """The records of the actor's units, the latest first; with words, what has them; narrowed by choices."""
        form = await request.form((*_LIST, *self._choices))
        typed = form.clean()
        chosen = {field.name: typed[field.name] for field in self._choices if typed[field.name]}
        scopes = search_scopes(request.act, self.kind.permission("view")) - {PUBLIC_SCOPE}
        seen = visible(self.kind.model, request.act).filter(**self.kind.only, **chosen)
        page = await self._page(seen, "id", typed, self.kind.name, scopes)
        shown = {row.id for row in page.rows}
        public = PublicRecord.filter(kind=self.kind.name, record_id__in=shown)
        published = {row["record_id"] for row in await public.values("record_id")}
        units = await _unit_names(page.rows)
        columns = await self._columns(request.act, page.rows)
        path, actor = request.templating.addresses.path, request.act.actor
        return request.render(
            "desk/records.html",
            kind=self.kind,
            form=Form((_LIST[0], *self._choices), form.values),
            words=typed["q"],
            narrowed=bool(chosen),
            rows=[
                RecordRow(
                    getattr(row, self.kind.title),
                    path(self.record, id=row.id),
                    getattr(row, self.kind.date),
                    units[row.unit_id],
                    row.id in published,
                    tuple(values.get(row.id, "") for _column, values in columns),
                )
                for row in page.rows
            ],
            columns=[column.label for column, _values in columns],
            more=path(self.list, before=page.more, **chosen) if page.more else None,
            cut=page.cut,
            new=path(f"{self.list}.new") if holds(actor, self.kind.permission("keep")) else None,
            export=path(f"{self.list}.export", **chosen),
            beside=[(_(label), path(route)) for label, route in self.kind.beside],
        )

    async def show_new(self, request: Request) -> Response:
        """The empty form, with today's date and one's only unit filled in."""
        choices = await self._unit_choices(request.act)
        started = {
            self.kind.date: today(request.act).isoformat(),
            "unit": choices["unit"][0][0] if len(choices["unit"]) == 1 else None,
        }
        return self._form(request, Form((UNIT_FIELD, *self.kind.form), started, choices=choices))

    async def submit_new(self, request: Request) -> Response:
        """Write it down."""
        kept: list[UnitRecord] = []

        async def go(values: dict[str, Any]) -> None:
            kept.append(await keep(request.act, self.kind.name, values))

        choices = await self._unit_choices(request.act)
        not_done = await submit(request, (UNIT_FIELD, *self.kind.form), go, choices=choices)
        if not_done is not None:
            return self._form(request, not_done.form, not_done.status)
        return request.redirect(self.record, id=kept[0].id)

    def _form(self, request: Request, form: Form, status: int = 200) -> Response:
        return request.render(
            "desk/record_new.html",
            status,
            kind=self.kind,
            form=form,
            back=request.templating.addresses.path(self.list),
        )

    async def show_record(self, request: Request) -> Response:
        """The record in its form, what residents read of it, and what can be done."""
        return await self._draw(request, self._subject(request))

    async def submit_record(self, request: Request) -> Response:
        """Change it. Where somebody was quicker, what they wrote is shown beside what was typed."""
        row = self._subject(request)
        form = await request.form((*self.kind.form, VERSION_FIELD))
        try:
            values = form.clean()
            await alter(request.act, self.kind.name, row.id, values, drawn_number(values.pop("version")))
        except Invalid as error:
            form.refuse(error)
            return await self._draw(request, row, error.status, form=form)
        except (Conflict, Refused) as error:
            form.message = error.message
            fresh = await visible(self.kind.model, request.act).get(id=row.id)
            form.values["version"] = fresh.version
            return await self._draw(request, fresh, error.status, form=form, conflict=isinstance(error, Conflict))
        return request.redirect(self.record, id=row.id)

    async def submit_publish(self, request: Request) -> Response:
        """Put it before the public."""
        row = self._subject(request)
        form = await request.form((VERSION_FIELD,))
        try:
            version = drawn_number(form.clean()["version"])
            await publish(request.act, self.kind.name, row.id, version)
        except (Conflict, Refused) as error:
            form.message = error.message
            return await self._draw(request, row, error.status, publishing=form)
        return request.redirect(self.record, id=row.id)

    async def submit_withdraw(self, request: Request) -> Response:
        """Take it down."""
        row = self._subject(request)

        async def go(values: dict[str, Any]) -> None:
            await withdraw(request.act, self.kind.name, row.id, values["reason"])

        not_done = await submit(request, WITHDRAW_FIELDS, go)
        if not_done is not None:
            return await self._draw(request, row, not_done.status, withdrawal=not_done.form)
        return request.redirect(self.record, id=row.id)

    async def submit_photos(self, request: Request) -> Response:
        """Add photos."""
        row = self._subject(request)

        async def go(values: dict[str, Any]) -> None:
            await add_photos(request.act, self.kind.name, row.id, values["photos"], values["caption"])

        not_done = await submit(request, PHOTO_FIELDS, go)
        if not_done is not None:
            return await self._draw(request, row, not_done.status, adding=not_done.form)
        return request.redirect(self.record, id=row.id)

    async def submit_photo_gone(self, request: Request) -> Response:
        """Remove a photo."""
        row = self._subject(request)
        form = await request.form((_PHOTO,))
        await remove_photo(request.act, self.kind.name, row.id, drawn_number(form.clean()["photo"]))
        return request.redirect(self.record, id=row.id)

    async def show_document(self, request: Request) -> Response:
        """A paper about a record, ready for the printer."""
        row = self._subject(request)
        return await paper(request, row, request.templating.addresses.path(self.record, id=row.id))

    def _subject(self, request: Request) -> UnitRecord:
        """The record of the path. Raises `NotFound` for one of another kind."""
        row: UnitRecord = request.subject
        if any(getattr(row, name) != value for name, value in self.kind.only.items()):
            raise NotFound
        return row

    async def _draw(
        self,
        request: Request,
        row: UnitRecord,
        status: int = 200,
        *,
        form: Form | None = None,
        publishing: Form | None = None,
        withdrawal: Form | None = None,
        adding: Form | None = None,
        conflict: bool = False,
    ) -> Response:
        kind, act = self.kind, request.act
        values = {field.name: _typed(getattr(row, field.name)) for field in kind.form}
        publication = await Publication.get_or_none(subject_kind=kind.name, subject_id=row.id)
        published = publication.approved if publication is not None and publication.state == "approved" else None
        face = await face_of(kind, row)
        photos = await photos_of(kind, row.id) if kind.photos else []
        path = request.templating.addresses.path
        return request.render(
            kind.template,
            status,
            kind=kind,
            record=row,
            title=getattr(row, kind.title),
            unit=await Unit.get(id=row.unit_id),
            form=form or Form((*kind.form, VERSION_FIELD), {**values, "version": row.version}),
            written=_pairs(kind, {field.name: getattr(row, field.name) for field in kind.form}) if conflict else None,
            pairs=_pairs(kind, {field.name: getattr(row, field.name) for field in kind.form}, without=kind.title),
            publishing=publishing or Form((VERSION_FIELD,), {"version": row.version}),
            withdrawal=withdrawal or Form(WITHDRAW_FIELDS),
            face=_pairs(kind, face),
            published=published is not None,
            behind=published is not None and published != face,
            may_keep=await may(act, kind.permission("keep"), [row.unit_id]),
            may_publish=kind.public and await may(act, kind.permission("publish"), [row.unit_id]),
            back=path(self.list),
            public_page=path(self.public_record, id=row.id) if kind.public else None,
            actions={
                name: path(f"{self.list}.{name}", id=row.id)
                for name in (
                    "alter",
                    *(("publish", "withdraw") if kind.public else ()),
                    *(("photos", "photos.remove") if kind.photos else ()),
                )
            },
            photos=list(
                zip(
                    (Form((_PHOTO,), {"photo": photo.id}) for photo in photos),
                    photo_views(path, "photo", [photo.face for photo in photos]),
                    strict=True,
                )
            ),
            adding=adding or Form(PHOTO_FIELDS),
            documents=[
                (_(each.title), path(f"{self.list}.document", id=row.id, document=each.name))
                for each in await documents_of(act, row)
            ],
            panels=await panels(request, f"desk.{kind.name}", row),
        )

    async def export(self, request: Request) -> Response:
        """The records of the actor's units as a spreadsheet, narrowed as their list. Who took it is recorded."""
        kind = self.kind
        typed = (await request.form(self._choices)).clean()
        chosen = {name: value for name, value in typed.items() if value}
        seen = visible(kind.model, request.act).filter(**kind.only, **chosen)
        rows = await seen.order_by(kind.date, "id").limit(MOST_EXPORTED + 1)
        if len(rows) > MOST_EXPORTED:
            raise Refused("超过 {most} 条，一次导不完。请按单位分开，由各单位自己导出。", most=MOST_EXPORTED)
        units = await _unit_names(rows)
        columns = await self._columns(request.act, rows)
        headings = [_("单位"), *(_(field.label) for field in kind.form), *(_(each.label) for each, _values in columns)]
        cells: list[list[Cell]] = [
            [
                units[row.unit_id],
                *(_cell(field, getattr(row, field.name)) for field in kind.form),
                *(values.get(row.id) for _column, values in columns),
            ]
            for row in rows
        ]
        return await listed(request, kind.name, _(kind.label), headings, cells)

    async def _columns(self, act: Act, rows: Sequence[Any]) -> list[tuple[Column, Mapping[int, Any]]]:
        """The columns besides those of the form, with their values for these records."""
        return [(each, await each.values(act, rows)) for each in self.kind.columns]

    async def _unit_choices(self, act: Act) -> dict[str, Any]:
        return {"unit": await units_within(act, self.kind.permission("keep"))}

    # Lists

    async def _page(
        self, rows: QuerySet[Any], key: str, typed: Mapping[str, Any], search_kind: str, scopes: frozenset[str]
    ) -> _RecordPage:
        """Rows of one page, the latest first, or those that hold the words typed, best first."""
        if typed["q"]:
            return await self._searched(rows, key, typed["q"], search_kind, scopes)
        date_column = self.kind.date if rows.model is self.kind.model else "date"
        return _RecordPage(*await latest_first(rows, typed["before"], PAGE_SIZE, day=date_column, key=key))

    async def _searched(
        self, rows: QuerySet[Any], key: str, words: str, search_kind: str, scopes: frozenset[str]
    ) -> _RecordPage:
        limit = 2 * PAGE_SIZE
        try:
            answer = await ask(SearchQuery(text=words, scopes=scopes, kinds=frozenset({search_kind}), limit=limit))
            found = {getattr(row, key): row for row in await rows.filter(**{f"{key}__in": [h.id for h in answer.hits]})}
            return _RecordPage(
                [found[hit.id] for hit in answer.hits if hit.id in found], cut=answer.total > len(answer.hits)
            )
        except SearchUnavailable as error:
            log.warning("search index unavailable, answering from the database: %s", error)
        title = self.kind.title if rows.model is self.kind.model else "title"
        for word in words.split()[:8]:
            rows = rows.filter(**{f"{title}__icontains": word})
        page = await rows.order_by(f"-{key}").limit(limit + 1)
        return _RecordPage(page[:limit], cut=len(page) > limit)


class _RecordPage(Struct, frozen=True):
    """Rows, and where to go on ("" at the end); `cut`: more hold the words than are shown."""

    rows: Sequence[Any]
    more: str = ""
    cut: bool = False


async def _unit_names(rows: Sequence[Any]) -> dict[int, str]:
    units = Unit.filter(id__in={row.unit_id for row in rows})
    return {unit.id: unit.name for unit in await units}


def _typed(value: object) -> object:
    """A column's value as a form holds it."""
    if value is True:
        return "1"
    return None if value is False else value


def _pairs(kind: RecordKind, values: Mapping[str, Any], without: str = "") -> list[tuple[str, Any]]:
    """Label and value of each field in the order of the form, those in `values`, as people read them."""
    return [
        (_(field.label), _read(field, values[field.name]))
        for field in kind.form
        if field.name in values and field.name != without
    ]


def _read(field: Field, value: Any) -> Any:
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if field.kind == "choice":
        return _(dict(field.choices).get(value, value))
    if field.kind == "date" and isinstance(value, str):
        return date.fromisoformat(value)  # as a published face holds it
    return value


def _cell(field: Field, value: Any) -> Cell:
    read: Cell = _read(field, value)
    return read
