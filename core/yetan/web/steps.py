"""Forms asked one question a page, as readers in elder mode get them, without script and at the same address.

What was answered travels in the form, never in an address. Whatever cannot travel so, photos and passwords, is asked on
the last page, beneath all that was said: only from there a form is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from yetan.errors import Invalid
from yetan.i18n import translate as _
from yetan.web.forms import BoundField, Choices, Field, Form, clean
from yetan.web.origin import SAFE_METHODS
from yetan.web.request import Request

#: Kinds whose value no hidden field can hold, or must not.
_ASKED_LAST = frozenset({"photos", "file", "password"})
_STEP = Field("_step", "第几步", "hidden", required=False, max_length=3)
#: The page to go to instead of the next, nothing being sent or checked: back, or to an answer that shall change.
_TO = Field("_to", "去第几步", "hidden", required=False, max_length=3)
#: Set from when every question has been asked: who changes an answer then comes back to all that was said.
_ALL = Field("_all", "都问过了", "boolean", required=False)


class Answer(Struct, frozen=True):
    """What was said: the question's message id, the answer in words, the page where it is asked."""

    label: str
    text: str
    page: int


class Questions(Form):
    """A form of which one page is asked at a time; iterating gives the fields of that page.

    `at` is that page, from 0; the last one says what was answered. `asking` says that it is not sent yet.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        values: Mapping[str, object],
        *,
        choices: Mapping[str, Choices] | None = None,
        together: Sequence[str] = (),
    ) -> None:
        super().__init__(fields, values, choices=choices)
        pages: list[list[Field]] = []
        for field in self.fields:
            if field.kind == "hidden" or field.kind in _ASKED_LAST:
                continue
            if pages and field.name in together and pages[-1][-1].name in together:
                pages[-1].append(field)
            else:
                pages.append([field])
        pages.append([field for field in self.fields if field.kind in _ASKED_LAST])
        self.pages = tuple(tuple(page) for page in pages)
        self.at = 0
        self.all_asked = False
        self.asking = True
        self.status = 200

    @property
    def last(self) -> int:
        """The page from which the form is sent."""
        return len(self.pages) - 1

    def go_on(self, step: str, to: str, all_asked: bool) -> None:
        """Go from the page `step` to the next, if its answers can be taken, or to the page `to`.

        Page numbers nobody drew begin anew, with all answers kept.
        """
        at, wanted = self._page(step), self._page(to)
        self.all_asked = all_asked
        if wanted is not None or at is None:
            self.at = wanted or 0
            self.ask_files_again()
        elif at == self.last:
            self.at, self.asking = at, False
        else:
            self.at = at
            try:
                clean(self.pages[at], self.values, self.choices)
            except Invalid as error:
                self.status = error.status
                self.refuse(error)
            else:
                self.at = self.last if all_asked else at + 1
        self.all_asked = self.all_asked or self.at == self.last

    def _page(self, number: str) -> int | None:
        return next((place for place in range(len(self.pages)) if str(place) == number), None)

    def refuse(self, error: Invalid) -> None:
        """Take over what was found wrong, and go where it was said."""
        super().refuse(error)
        wrong = [place for place, page in enumerate(self.pages) if any(field.name in error.fields for field in page)]
        self.at = wrong[0] if wrong else self.at

    @property
    def carried(self) -> Iterator[BoundField]:
        """What was answered on the other pages, and what is asked on none."""
        here = {field.name for field in self.pages[self.at]}
        for field in self.fields:
            if field.name not in here and field.kind not in _ASKED_LAST and self[field.name].value:
                yield self[field.name]

    @property
    def answers(self) -> Iterator[Answer]:
        """All that was said, in words."""
        for place, page in enumerate(self.pages[:-1]):
            for field in page:
                bound = self[field.name]
                text = dict(bound.choices).get(bound.value, bound.value)
                if field.kind == "boolean":
                    text = _("是") if field.clean(bound.value) else _("不是")
                yield Answer(field.label, text or _("没有写"), place)

    def __iter__(self) -> Iterator[BoundField]:
        return iter([self[field.name] for field in self.pages[self.at]])


async def form_of(
    request: Request,
    fields: Sequence[Field],
    values: Mapping[str, object] | None = None,
    *,
    choices: Mapping[str, Choices] | None = None,
    together: Sequence[str] = (),
) -> Form:
    """A form of `fields` with what was sent, or with `values`: whole, or in elder mode one question a page.

    Those named in `together` are one question. While `still_asked` says so of it, it is to be drawn, not sent. Whoever
    changes the look meanwhile gets the same answers in the other form.
    """
    typed = await request.values(fields) if values is None else values
    sent = await request.values((_STEP, _TO, _ALL)) if request.method not in SAFE_METHODS else {}
    whole = not request.display.elder if request.look_changed or not sent else sent["_step"] is None
    if whole:
        return Form(fields, typed, choices=choices)
    form = Questions(fields, typed, choices=choices, together=together)
    if sent:
        step, to = str(sent["_step"]), str(sent["_to"] or "")
        form.go_on(step, step if request.look_changed else to, bool(_ALL.clean(sent["_all"])))
        request.only_asks = form.asking
    return form


def still_asked(form: Form) -> int | None:
    """The status to draw `form` with where it is not sent yet: its next question, or the same again. Else None."""
    return form.status if isinstance(form, Questions) and form.asking else None
