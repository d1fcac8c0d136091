"""What a plugin says of a kind of record: its model, its form and its names. See `yetan_record_kinds`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from tortoise.fields import BooleanField, CharField, DateField, IntField, TextField
from tortoise.queryset import QuerySet

from yetan.act import Act
from yetan.i18n import message_ids
from yetan.records.models import UnitRecord
from yetan.web.forms import Field

if TYPE_CHECKING:
    from yetan.publication.card_pages import Card
    from yetan.web.request import Request

#: What each kind of form field may be kept in.
_COLUMNS: dict[str, tuple[type[Any], ...]] = {
    "text": (CharField, TextField),
    "phone": (CharField,),
    "choice": (CharField,),
    "long_text": (TextField,),
    "date": (DateField,),
    "time": (CharField,),
    "number": (IntField,),
    "boolean": (BooleanField,),
}
_NAME_LENGTH = 30
_PHONE_LENGTH = 13
_TIME_LENGTH = len("19:30")


class Sum(msgspec.Struct, frozen=True):
    """A figure of a kind: a column of whole numbers added up over what is published, by unit and month.

    Several kinds may add to one figure: each names the same `metric`, which their plugin declares (`yetan_metrics`).
    """

    column: str
    label: str = ""
    unit: str = ""
    definition: str = ""
    metric: str = ""


class Column(msgspec.Struct, frozen=True):
    """A column that the desk's list and Excel file have besides the form's: something worked out for the records shown.

    `values` is given the act and the records, and answers with a text or number by the record's id.
    """

    label: str
    values: Callable[[Act, Sequence[Any]], Awaitable[Mapping[int, Any]]]


class RecordKind(msgspec.Struct, frozen=True):
    """A kind of record that officials of a unit keep and publish, as in a weekend's free clinic.

    `name` begins its addresses, permissions, events and figures. `label` is what people call one. `form` names the
    model's columns; `title` and `date` are the two that every record has. Once somebody publishes a record, residents
    read those of its form's columns that are tagged public, personal numbers masked, and nothing else.

    `keepers` are the roles that write records down, `readers` those that see them besides, `publishers` those that
    put them before the public; a city may grant and revoke each in yetan.toml.
    """

    name: str
    label: str
    model: type[UnitRecord]
    form: tuple[Field, ...]
    #: The counting word of one, as in 场 or 件.
    counted_in: str = message_ids("件")
    title: str = "title"
    date: str = "date"
    sums: tuple[Sum, ...] = ()
    #: The public page, and what narrows it, that lists its records by "unit", "year" and "month": see `Metric.page`.
    page: str = ""
    narrowed: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] = ()
    keepers: frozenset[str] = frozenset({"village_official", "township_clerk"})
    readers: frozenset[str] = frozenset({"department_official", "leader", "publisher", "supervisor"})
    publishers: frozenset[str] = frozenset({"village_official", "township_clerk", "publisher"})
    #: False for what stays on the desk: no public page, nothing to publish, and so no figures.
    public: bool = True
    #: Where it stands in the menus; with `menu` False it stands in none, and other pages of the plugin lead to it.
    position: int = 100
    menu: bool = True
    #: Labels and names of further pages that the desk's list leads to.
    beside: tuple[tuple[str, str], ...] = ()
    #: Several kinds may share a model: the columns that tell this one's rows from the others', with their values.
    only: Mapping[str, str] = msgspec.field(default_factory=dict)
    #: The templates of one record's pages, which extend these.
    template: str = "desk/record.html"
    public_template: str = "public/record.html"
    #: What `public_template` is given besides, and what its card says: worked out for the row of `published`, the one
    #: with the request, the other with its act. A card has the record's title and unit unless this says otherwise.
    public_context: Callable[[Request, Any], Awaitable[Mapping[str, Any]]] | None = None
    card: Callable[[Act, Any], Awaitable[Card]] | None = None
    #: Whether photos belong to a record: added on the desk with a caption that says who took them, before the public
    #: once the record is published with them.
    photos: bool = False
    #: Further pages about its records that have a place for panels: those that its plugin draws itself (`panels`).
    places: tuple[str, ...] = ()
    #: Looks at what is written before it is kept: given the act, the record as it stands (None for a new one) and the
    #: typed values of the form, it raises `Invalid` naming the fields, or `Refused`.
    check: Callable[[Act, Any, Mapping[str, Any]], Awaitable[None]] | None = None

    def rows(self) -> QuerySet[Any]:
        """All its records."""
        return self.model.filter(**self.only)

    @property
    def shown(self) -> tuple[Field, ...]:
        """The fields that residents read once a record is published: those tagged public."""
        tags = self.model.privacy.tags()
        return tuple(field for field in self.form if tags.get(field.name) == "public")

    def permission(self, deed: str) -> str:
        """The name of the right to "view", "keep" or "publish"."""
        return f"{self.name}.{deed}"

    @property
    def panel_pages(self) -> tuple[str, ...]:
        """The pages of its records that have a place for panels: "desk." and its name, for residents its name, and
        its `places`."""
        return (f"desk.{self.name}", *((self.name,) if self.public else ()), *self.places)

    @property
    def public_kind(self) -> str:
        """What its published records are called in events and in the index."""
        return f"public_{self.name}"


def check_kind(kind: RecordKind) -> Iterator[str]:
    """What does not fit together in a kind, for the developer."""
    where = f"record kind {kind.name!r}"
    if not kind.name.replace("_", "").isalnum() or not kind.name.islower() or len(kind.name) > _NAME_LENGTH:
        yield f"{where}: the name must be at most {_NAME_LENGTH} small letters, digits and underscores"
    if not issubclass(kind.model, UnitRecord):
        yield f"{where}: {kind.model.__name__} must be a UnitRecord"
        return
    columns = kind.model._meta.fields_map
    if kind.photos and "photos" in columns:
        yield f"{where}: photos are no column of {kind.model.__name__}; name it otherwise"
    for name in sorted(set(kind.only) - set(columns)):
        yield f"{where}: only names {name!r}, which is no column of {kind.model.__name__}"
    for field in kind.form:
        kept_in = _COLUMNS.get(field.kind)
        if kept_in is None:
            yield f"{where}: field {field.name!r} is a {field.kind}; a record takes {', '.join(_COLUMNS)}"
        elif not isinstance(columns.get(field.name), kept_in):
            names = " or ".join(each.__name__ for each in kept_in)
            yield f"{where}: field {field.name!r} needs a column of that name in {kind.model.__name__}, a {names}"
        elif isinstance(column := columns[field.name], CharField) and _longest(field) > column.max_length:
            yield f"{where}: field {field.name!r} takes {_longest(field)} characters, its column {column.max_length}"
        elif not field.required and field.kind in ("date", "number") and not columns[field.name].null:
            yield f"{where}: field {field.name!r} may be left empty, but its column is not null=True"
    if kind.sums and not kind.public:
        yield f"{where}: sums are made of what is published, and nothing of this kind is"
    public = {field.name: field for field in kind.shown}
    known = public if kind.public else {field.name: field for field in kind.form}
    for name, wanted in ((kind.title, "text"), (kind.date, "date")):
        if name not in known or known[name].kind != wanted or not known[name].required:
            yield f"{where}: its form needs a required {wanted} field {name!r}{', tagged public' * kind.public}"
    for each in kind.sums:
        if not each.metric and not (each.label and each.unit):
            yield f"{where}: the sum over {each.column!r} needs a label and a unit, or the metric it adds to"
        if each.column not in public or public[each.column].kind != "number":
            yield f"{where}: the sum over {each.column!r} needs a number field of that name, tagged public"


def _longest(field: Field) -> int:
    """The most characters a value of the field has."""
    if field.kind == "choice":
        return max((len(value) for value, _ in field.choices), default=0)
    return {"phone": _PHONE_LENGTH, "time": _TIME_LENGTH}.get(field.kind, field.max_length)
