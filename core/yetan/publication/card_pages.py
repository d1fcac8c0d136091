"""The picture that stands beside a shared link: what the matter is and where it stands, readable as a thumbnail."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from msgspec import Struct
from starlette.responses import Response

from yetan.db.reading import stored
from yetan.errors import NotFound
from yetan.files.fonts import font_file
from yetan.i18n import translate as _
from yetan.issues.lifecycle import state_of
from yetan.issues.numbers import normal_number
from yetan.plugins.declarations import Page
from yetan.publication.listing import published_row
from yetan.publication.models import PublicIssue
from yetan.publication.views import days_between
from yetan.runtime import current
from yetan.web.forms import Field
from yetan.web.origin import local_path
from yetan.web.qr import qr_picture
from yetan.web.request import Request

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

#: Pixels, as those who show shared links ask for.
WIDTH, HEIGHT = 1200, 630
_PAGE = Field("page", "哪一页", required=False, max_length=200)
_EDGE, _TITLE_LINES = 80, 3
_BAND, _INK, _INK_2, _LAMP, _ON_LAMP = "#13223f", "#f7f4ec", "#b8c4da", "#f4b33f", "#1b1503"


class Card(Struct, frozen=True):
    """What is written on a card, ready to be read: a line above the title, below it the state in a frame and a line.

    `lit`: the lamp is on, which is said of what was struck off alone.
    """

    head: str
    title: str
    state: str = ""
    foot: str = ""
    lit: bool = False


def drawn(card: Card, site: str, font: Path | None) -> bytes:
    """The card of a page of `site` as PNG; without a font, the lamp alone."""
    from PIL import Image, ImageDraw  # most processes never draw one

    image = Image.new("RGB", (WIDTH, HEIGHT), _BAND)
    draw = ImageDraw.Draw(image)

    if font is None:
        _lamp(draw, WIDTH // 2 - 160, HEIGHT // 2 - 150, card.lit, 5)
    else:
        _write(draw, card, site, str(font))
    kept = io.BytesIO()
    image.quantize(64).save(kept, "PNG", optimize=True)
    return kept.getvalue()


def _write(draw: ImageDraw.ImageDraw, card: Card, site: str, font: str) -> None:
    from PIL import ImageFont

    def write(text: str, size: int, left: int, top: int, colour: str) -> None:
        draw.text((left, top), text, colour, font=ImageFont.truetype(font, size))

    _lamp(draw, _EDGE, 64, card.lit, 1)
    write(site, 36, _EDGE + 84, 76, _INK_2)
    write(card.head, 36, _EDGE, 176, _INK_2)
    for place, line in enumerate(lines_of(card.title, ImageFont.truetype(font, 64), WIDTH - 2 * _EDGE)):
        write(line, 64, _EDGE, 232 + 88 * place, _INK)
    written = ImageFont.truetype(font, 40)
    width = int(written.getlength(card.state)) + 48 if card.state else 0
    if card.state:
        box = (_EDGE, 522, _EDGE + width, 586)
        draw.rounded_rectangle(box, 6, fill=_LAMP if card.lit else None, outline=_LAMP if card.lit else _INK_2, width=3)
        write(card.state, 40, _EDGE + 24, 526, _ON_LAMP if card.lit else _INK)
    write(card.foot, 36, _EDGE + (width + 32 if width else 0), 530, _INK_2)


def lines_of(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """`text` in lines no wider than `width` pixels; what does not fit into three of them ends in an ellipsis."""
    lines = [""]
    for character in text:
        if font.getlength(lines[-1] + character) > width:
            if len(lines) == _TITLE_LINES:
                return [*lines[:-1], lines[-1][:-1] + "…"]
            lines.append("")
        lines[-1] += character
    return lines


def _lamp(draw: ImageDraw.ImageDraw, left: int, top: int, lit: bool, scale: int) -> None:
    """The street lamp, 60 pixels high times `scale`."""

    def at(*places: int) -> list[int]:
        return [start + scale * place for start, place in zip((left, top) * (len(places) // 2), places, strict=True)]

    draw.line(at(0, 60, 24, 60), _INK, 5 * scale)
    draw.line(at(10, 60, 10, 22), _INK, 5 * scale)
    draw.arc(at(8, 0, 48, 40), 180, 275, _INK, 5 * scale)
    draw.pieslice(at(20, 6, 64, 50), 180, 360, fill=_INK if lit else None, outline=_INK, width=4 * scale)
    draw.ellipse(at(35, 32, 51, 48), fill=_LAMP if lit else None, outline=_LAMP if lit else _INK_2, width=3 * scale)


async def board_card(request: Request) -> Response:
    """The card of the site itself."""
    city = current().configuration.city
    told = Card(city.name, _("灯下说的事，办到哪了"), foot=_("一件一盏灯，居民同意了才亮"), lit=True)
    return await picture_of(told)


async def issue_card(request: Request) -> Response:
    """The card of a published issue."""
    found = await published_row(normal_number(request.path_params["number"]))
    if found is None:
        raise NotFound
    row = stored(PublicIssue, found)
    state = state_of(row.state)
    taken = days_between(row.raised_at, row.struck_off_at) if row.struck_off_at else None
    foot = _("{unit}，{count}天", unit=row.unit_name, count=taken) if taken is not None else row.unit_name
    return await picture_of(Card(row.number, row.title, _(state.label), foot, state.category == "closed_good"))


async def picture_of(card: Card) -> Response:
    """The answer of a page that is a card."""
    city = current().configuration.city
    drawing = to_thread.run_sync(drawn, card, _(city.site_name), font_file(city.card_font))
    return Response(await drawing, media_type="image/png")


async def address_code(request: Request) -> Response:
    """The QR code on a printed page, which leads back to it; to the board for what is no page of this site."""
    typed = await request.values((_PAGE,))
    page = str(typed["page"] or "")
    back = local_path(page, "/") if len(page) <= _PAGE.max_length else "/"
    picture = await to_thread.run_sync(qr_picture, current().configuration.base_url + back)
    return Response(picture, media_type="image/svg+xml")


PAGES: tuple[Page, ...] = (
    Page("/qr.svg", address_code, "qr", public=True, budget="overviews", narrowed_by=("page",)),
    Page("/card.png", board_card, "card", public=True, budget="overviews"),
    Page("/issues/{number}/card.png", issue_card, "issue.card", public=True, budget="overviews"),
)
