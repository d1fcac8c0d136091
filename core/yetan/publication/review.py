"""What a reviewer reads before something becomes public: the draft beside what residents and officials wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from yetan.files.models import Attachment
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.models import Issue, Raiser, Remark
from yetan.publication.masking import mask
from yetan.publication.models import Publication
from yetan.publication.service import FACE_FIELDS, draft_of
from yetan.searching.service import Runs
from yetan.web.forms import Field

_NOTE_LENGTH = 4000


class Original(Struct, frozen=True):
    """What was written, in runs with what the draft hides marked, and what that is ("手机号码 2 处")."""

    runs: Runs
    hidden: tuple[str, ...]


class Review(Struct, frozen=True):
    """A draft to be read: its fields, what they hold, and beside each the original; the photos it could show."""

    publication: Publication | None
    fields: tuple[Field, ...]
    values: Mapping[str, object]
    originals: Mapping[str, Original]
    photos: tuple[Attachment, ...]

    @property
    def version(self) -> int:
        """Of the draft; what does not exist yet becomes the first."""
        return self.publication.version if self.publication is not None else 1

    def notes(self, typed: Mapping[str, Any]) -> dict[str, str]:
        """The typed notes by remark id, as `approve` takes them."""
        prefix = "note_"
        return {name.removeprefix(prefix): text for name, text in typed.items() if name.startswith(prefix)}

    def chosen_photos(self, typed: Mapping[str, Any]) -> list[int]:
        """The ids of the ticked photos."""
        return [photo.id for photo in self.photos if typed[f"photo_{photo.id}"]]


async def review_of(issue: Issue) -> Review:
    """The draft of an issue's public face for review; made up on the spot, and not kept, where there is none yet."""
    publication = await Publication.get_or_none(subject_kind="issue", subject_id=issue.id)
    draft = publication.draft if publication is not None else await draft_of(issue)
    names = [row.person.name for row in await Raiser.filter(issue_id=issue.id).select_related("person")]
    fields: list[Field] = list(FACE_FIELDS)
    values: dict[str, object] = {field.name: draft.get(field.name, "") for field in FACE_FIELDS}
    originals = {field.name: _original(getattr(issue, field.name), names) for field in FACE_FIELDS}
    notes = draft.get("notes", {})
    for remark in await Remark.filter(issue_id=issue.id, audience="public").order_by("id"):
        if str(remark.id) in notes:
            name = f"note_{remark.id}"
            fields.append(Field(name, "经过里的话", "long_text", required=False, max_length=_NOTE_LENGTH))
            values[name] = notes[str(remark.id)]
            originals[name] = _original(remark.text, names)
    photos = await Attachment.filter(subject_kind="issue", subject_id=issue.id).order_by("id")
    shown = draft.get("photos", [])
    for photo in photos:
        name = f"photo_{photo.id}"
        fields.append(Field(name, "公开这张照片", "boolean", required=False))
        values[name] = "1" if photo.id in shown else ""
    return Review(publication, tuple(fields), values, originals, tuple(photos))


def _original(text: str, names: Sequence[str]) -> Original:
    """The text with its hidden parts marked: personal numbers, and the raisers' names."""
    spans = [(finding.start, finding.end, finding.kind.label) for finding in mask(text).findings]
    for name in {name for name in names if len(name) > 1}:
        start = text.find(name)
        while start >= 0:
            spans.append((start, start + len(name), message_ids("反映人的姓名")))
            start = text.find(name, start + len(name))
    runs: list[tuple[str, bool]] = []
    position = 0
    for start, end, _label in sorted(spans):
        if start >= position:
            runs += [(text[position:start], False), (text[start:end], True)]
            position = end
    runs.append((text[position:], False))
    tally = Counter(label for _start, _end, label in spans)
    hidden = tuple(_("{what}{count}处", what=_(label), count=count) for label, count in sorted(tally.items()))
    return Original(tuple(run for run in runs if run[0]), hidden)
