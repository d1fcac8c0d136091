"""Photos people send, made safe off the event loop (C23, C24).

What decodes them is in `decoding`, which is imported with the first photo: Pillow takes 3 MB, and most processes that
serve pages never see one.
"""

from __future__ import annotations

from functools import partial

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from msgspec import Struct

from yetan.errors import Invalid

MEGABYTE = 1024 * 1024
_MOST_DECODERS = 2


class ImageRefused(Invalid):
    """A file that is no usable picture; the message tells the sender, in Chinese, what to send instead."""


class ImageLimits(Struct, frozen=True):
    """What is accepted (bytes, pixels), and how it is written (pixels, JPEG quality from 1 to 95)."""

    max_bytes: int = 10 * MEGABYTE
    max_pixels: int = 40_000_000
    max_source_side: int = 30_000
    longest_side: int = 1600
    jpeg_quality: int = 82


LIMITS = ImageLimits()


class PreparedImage(Struct, frozen=True):
    """A picture ready to store: its bytes, "image/jpeg" or "image/png", and its size in pixels."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def suffix(self) -> str:
        """The ending of a file that holds this picture."""
        return ".png" if self.media_type == "image/png" else ".jpg"


_decoders: RunVar[CapacityLimiter] = RunVar("yetan_image_decoders")


async def prepare_image_in_thread(data: bytes, *, limits: ImageLimits = LIMITS) -> PreparedImage:
    """`decoding.prepare_image` off the event loop; only two at once, since a large photo takes a lot of memory."""
    from yetan.files.decoding import prepare_image

    try:
        limiter = _decoders.get()
    except LookupError:
        limiter = CapacityLimiter(_MOST_DECODERS)
        _decoders.set(limiter)
    return await to_thread.run_sync(partial(prepare_image, data, limits=limits), limiter=limiter)
