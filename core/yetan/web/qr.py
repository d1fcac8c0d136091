"""QR codes: a plain address as a drawing that a phone's own scanner opens."""

from __future__ import annotations

from io import BytesIO

from markupsafe import Markup


def qr_code(address: str, title: str) -> Markup:
    """`address` as an SVG element of the class `qr`, dark on light whatever the page's light is.

    `title` says what scanning it does, for those who do not see it. Readable with a seventh of it damaged (level M).
    """
    import segno  # most processes never draw one

    drawn = segno.make(address, error="m", micro=False).svg_inline(
        border=2, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True, title=title
    )
    # What it does is in its title; a drawing without a role is passed over by some readers.
    return Markup(drawn.replace("<svg ", '<svg role="img" ', 1))


def qr_picture(address: str) -> bytes:
    """`address` as a picture of its own, an SVG file; otherwise as `qr_code`."""
    import segno

    picture = BytesIO()
    segno.make(address, error="m", micro=False).save(picture, kind="svg", border=2, dark="#000", light="#fff")
    return picture.getvalue()
