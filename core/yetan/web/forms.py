"""Forms as declared fields: one definition parses a page's input, a command's and a service's, and draws itself.

Nothing a browser sends gets through that no field declares (C48).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from yetan.errors import Invalid
from yetan.i18n import message_ids, translate
from yetan.only_asked import refuse_if_only_asked

FieldKind = Literal[
    "text",
    "long_text",
    "date",
    "time",
    "choice",
    "unit",
    "account",
    "person",
    "number",
    "phone",
    "boolean",
    "category",
    "photos",
    "issue_number",
    "password",
    "file",
    "hidden",
]
Choices = Sequence[tuple[str, str]]

_PHONE = re.compile(r"^(1[3-9]\d{9}|0\d{2,3}-?\d{7,8})$")
_DATE = re.compile(r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$")
_TIME = re.compile(r"^(\d{1,2})[:点](\d{2})分?$")
#: Kinds no form can give back, and what is said then.
_CHOSEN_AGAIN = message_ids({"photos": "照片要重新选一次。", "file": "文件要重新选一次。"})
#: Kinds whose value is the id of a row, chosen from a list the page loads.
_ID_KINDS = frozenset({"unit", "account", "person", "category"})


class Field(Struct, frozen=True):
    """A field of a form. `max_length` is in characters, `minimum` and `maximum` in the unit of the number.

    `remark` names the audience that may read the words on the timeline; "" keeps them off it.
    """

    name: str
    label: str
    kind: FieldKind = "text"
    required: bool = True
    hint: str = ""
    max_length: int = 200
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    autocomplete: str = "off"
    remark: Literal["", "public", "parties", "staff"] = ""

    def __hash__(self) -> int:
        return hash(self.name)

    def clean(self, value: object, choices: Choices = ()) -> Any:
        """The typed value of `value`, typed or typed-in: text, date, int, bool, or None where nothing was given.

        Raises `Invalid` naming this field.
        """
        if self.kind in ("photos", "file"):
            return value or None
        if self.kind == "boolean":
            return value in (True, "1", "on", "true", "yes")
        if value is None or value == "":
            return self._nothing()
        if self.kind == "date":
            return self._date(value)
        if self.kind == "number" or (self.kind in _ID_KINDS):
            return self._whole_number(value, choices)
        text = self._text(value)
        if not text:
            return self._nothing()
        if self.kind == "phone":
            return self._phone(text)
        if self.kind == "time":
            return self._time(text)
        allowed = self.choices or tuple(choices)
        if self.kind == "choice" and text not in {key for key, _ in allowed}:
            raise Invalid.field(self.name, "“{label}”请从列出的选项里选一个。", label=translate(self.label))
        return text

    def _nothing(self) -> Any:
        if self.required:
            raise Invalid.field(self.name, "请填写“{label}”。", label=translate(self.label))
        return None if self.kind in ("date", "number") or self.kind in _ID_KINDS else ""

    def _text(self, value: object) -> str:
        text = str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
        if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in text):
            raise Invalid.field(
                self.name, "“{label}”里有无法保存的控制字符，请删掉后再提交。", label=translate(self.label)
            )
        if len(text) > self.max_length:
            raise Invalid.field(
                self.name,
                "“{label}”最多 {most} 个字，现在有 {given} 个，请缩短一些。",
                label=translate(self.label),
                most=self.max_length,
                given=len(text),
            )
        return text

    def _date(self, value: object) -> date:
        if isinstance(value, date):
            return value
        found = _DATE.match(str(value).strip()[:20])
        try:
            if found:
                return date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            pass
        raise Invalid.field(
            self.name, "“{label}”不是一个有效的日期，请写成 2026-06-25 这样。", label=translate(self.label)
        )

    def _time(self, text: str) -> str:
        """A time of the day, local, as "19:30"."""
        found = _TIME.match(unicodedata.normalize("NFKC", text))
        if not found or int(found[1]) > 23 or int(found[2]) > 59:
            raise Invalid.field(self.name, "“{label}”请写成 19:30 这样。", label=translate(self.label))
        return f"{int(found[1]):02}:{found[2]}"

    def _whole_number(self, value: object, choices: Choices) -> int:
        text = unicodedata.normalize("NFKC", str(value)).strip()
        if not re.fullmatch(r"-?\d{1,9}", text):
            if self.kind in _ID_KINDS:
                raise Invalid.field(self.name, "“{label}”请从列出的选项里选一个。", label=translate(self.label))
            raise Invalid.field(self.name, "“{label}”请填一个整数。", label=translate(self.label))
        number = int(text)
        if choices and str(number) not in {key for key, _ in choices}:
            raise Invalid.field(self.name, "“{label}”请从列出的选项里选一个。", label=translate(self.label))
        if self.minimum is not None and number < self.minimum:
            raise Invalid.field(
                self.name, "“{label}”不能小于 {least}。", label=translate(self.label), least=self.minimum
            )
        if self.maximum is not None and number > self.maximum:
            raise Invalid.field(self.name, "“{label}”不能大于 {most}。", label=translate(self.label), most=self.maximum)
        return number

    def _phone(self, text: str) -> str:
        digits = unicodedata.normalize("NFKC", text).replace(" ", "").removeprefix("+86").removeprefix("86-")
        if not digits.startswith("0"):
            digits = digits.replace("-", "")
        if not _PHONE.match(digits):
            raise Invalid.field(
                self.name, "“{label}”不像一个电话号码，请写 11 位手机号，或区号加座机号。", label=translate(self.label)
            )
        return digits


def clean(
    fields: Sequence[Field], values: Mapping[str, object], choices: Mapping[str, Choices] | None = None
) -> dict[str, Any]:
    """The typed values of all `fields`. Raises one `Invalid` with everything that is wrong."""
    refuse_if_only_asked()
    cleaned: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for field in fields:
        try:
            cleaned[field.name] = field.clean(values.get(field.name), (choices or {}).get(field.name, ()))
        except Invalid as error:
            wrong.update(error.fields)
    if len(wrong) == 1:
        raise Invalid(next(iter(wrong.values()))[0], wrong)
    if wrong:
        raise Invalid("有 {count} 处要改一下，您写的都还在。", wrong, count=len(wrong))
    return cleaned


class BoundField(Struct):
    """A field with what was typed and what is wrong with it, as the templates draw it."""

    field: Field
    value: str
    errors: list[str]
    choices: Choices

    @property
    def name(self) -> str:
        """The name it is sent under."""
        return self.field.name

    @property
    def id(self) -> str:
        """The element's id."""
        return f"field-{self.field.name}"

    @property
    def label(self) -> str:
        """Message id of the label."""
        return self.field.label

    @property
    def hint(self) -> str:
        """Message id of the hint."""
        return self.field.hint

    @property
    def required(self) -> bool:
        """Whether it must be filled in."""
        return self.field.required

    @property
    def kind(self) -> str:
        """What sort of input it is."""
        return self.field.kind

    @property
    def max_length(self) -> int:
        """In characters."""
        return self.field.max_length

    @property
    def autocomplete(self) -> str:
        """The HTML autocomplete token."""
        return self.field.autocomplete

    @property
    def input_mode(self) -> str:
        """Which keyboard a phone shows."""
        return {"phone": "tel", "number": "numeric"}.get(self.field.kind, "")


class Form:
    """Declared fields with what was typed. Iterating gives `BoundField`s; `errors` all that is wrong, by field."""

    #: The pages of a form that is asked one question a page (see `yetan.web.steps`), and which of them it is at.
    pages: tuple[tuple[Field, ...], ...] = ()
    at = 0

    def __init__(
        self,
        fields: Sequence[Field],
        values: Mapping[str, object] | None = None,
        *,
        choices: Mapping[str, Choices] | None = None,
        errors: Mapping[str, Sequence[str]] | None = None,
        message: str = "",
    ) -> None:
        self.fields = tuple(fields)
        self.values = dict(values or {})
        self.choices = dict(choices or {})
        self.errors = {name: list(texts) for name, texts in (errors or {}).items()}
        self.message = message

    def clean(self) -> dict[str, Any]:
        """The typed values. Raises `Invalid` and keeps the errors for drawing the form again."""
        try:
            return clean(self.fields, self.values, self.choices)
        except Invalid as error:
            self.refuse(error)
            raise

    def refuse(self, error: Invalid) -> None:
        """Take over what a service found wrong."""
        self.message = error.message
        for name, texts in error.fields.items():
            self.errors[name] = list(texts)
        self.ask_files_again()

    def ask_files_again(self) -> None:
        """Say of photos and files that were chosen that they have to be once more: no form can give them back."""
        for field in self.fields:
            if field.kind in _CHOSEN_AGAIN and self.values.get(field.name):
                self.errors.setdefault(field.name, [translate(_CHOSEN_AGAIN[field.kind])])

    @property
    def content(self) -> Hashable:
        """All that the form says, to be compared: what is drawn of it may be kept under this."""
        typed = tuple(str(self.values.get(field.name) or "") for field in self.fields)
        choices = tuple((name, tuple(offered)) for name, offered in self.choices.items())
        errors = tuple((name, tuple(texts)) for name, texts in self.errors.items())
        return self.fields, typed, choices, errors, self.message

    def __iter__(self) -> Iterator[BoundField]:
        return iter([self[field.name] for field in self.fields])

    def __getitem__(self, name: str) -> BoundField:
        field = next(field for field in self.fields if field.name == name)
        value = self.values.get(name)
        text = "" if value is None or field.kind in ("photos", "file", "password") else str(value)
        own = tuple((value, translate(label)) for value, label in field.choices)
        choices = own or tuple(self.choices.get(name, ()))
        return BoundField(field, text, self.errors.get(name, []), choices)


#: In which version somebody read what their form changes: a number that the page drew, see `drawn_number`.
VERSION_FIELD = Field("version", "版本", "hidden", max_length=9)


def optional(field: Field) -> Field:
    """The same field, not required."""
    return replace(field, required=False)
