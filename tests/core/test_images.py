"""What becomes of the pictures people send, and of what only claims to be one (C23, C24)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from yetan.files import decoding
from yetan.files.decoding import prepare_image
from yetan.files.images import ImageLimits, ImageRefused, prepare_image_in_thread

LIMITS = ImageLimits()


def photo(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    """A picture whose top left corner is red and whose rest is blue."""
    image = Image.new("RGB", (width, height), (20, 40, 200))
    ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 3), fill=(220, 20, 20))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int) -> bytes:
    """A well-formed one-bit PNG of any size, small as a file."""
    rows = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    packed = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def located_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "NightCam"
    exif.get_ifd(0x8825).update({1: "N", 2: (26.0, 16.0, 0.0), 3: "E", 4: (117.0, 38.0, 0.0)})
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_accepted_format_becomes_a_jpeg(kind: str) -> None:
    prepared = prepare_image(encoded(photo(), kind), limits=LIMITS)
    assert (prepared.media_type, prepared.width, prepared.height) == ("image/jpeg", 300, 200)
    assert prepared.suffix == ".jpg"
    result = opened(prepared.data)
    assert result.format == "JPEG"
    red, green, blue = result.getpixel((20, 20))
    assert red > 180
    assert green < 80
    assert blue < 80


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "LA", "RGBA"])
def test_every_colour_mode_is_read(mode: str) -> None:
    image = Image.new("I;16", (40, 30), 40_000) if mode == "I;16" else photo(40, 30, mode)
    result = opened(prepare_image(encoded(image, "JPEG" if mode == "CMYK" else "PNG")).data)
    assert (result.mode, result.size) == ("RGB", (40, 30))
    if mode == "I;16":
        assert abs(result.getpixel((5, 5))[0] - 40_000 // 256) < 3


def test_transparency_is_kept_as_png() -> None:
    image = photo().convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    for data in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True)):
        prepared = prepare_image(data)
        assert (prepared.media_type, prepared.suffix) == ("image/png", ".png")
        assert opened(prepared.data).getpixel((0, 0))[3] == 0


def test_the_first_frame_of_a_moving_picture_is_taken() -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        result = opened(prepare_image(data).data)
        assert getattr(result, "n_frames", 1) == 1
        assert result.getpixel((9, 9))[0] > 200


def test_a_large_photo_is_scaled_down() -> None:
    prepared = prepare_image(encoded(photo(4000, 3000), "JPEG"))
    assert (prepared.width, prepared.height) == (1600, 1200)
    assert opened(prepared.data).size == (1600, 1200)


def test_a_small_photo_is_not_scaled_up() -> None:
    assert prepare_image(encoded(photo(30, 20), "PNG")).width == 30


def test_the_place_and_all_other_metadata_are_gone() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngInfo()
    text.add_text("Comment", "林某的手机")
    files = [
        encoded(
            photo(),
            "JPEG",
            exif=located_exif(),
            icc_profile=profile,
            xmp=b"<x:xmpmeta>where</x:xmpmeta>",
            comment="who",
        ),
        encoded(photo(), "PNG", exif=located_exif(), icc_profile=profile, pnginfo=text),
        encoded(photo(), "WEBP", exif=located_exif(), icc_profile=profile),
        encoded(photo(), "GIF", comment=b"who"),
        encoded(photo(mode="RGBA").rotate(30), "PNG", exif=located_exif(), icc_profile=profile, pnginfo=text),
    ]
    for data in files:
        result = opened(prepare_image(data).data)
        assert dict(result.getexif()) == {}
        assert set(result.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        for trace in (b"NightCam", b"Exif", b"xmpmeta", b"who", b"ICC_PROFILE", b"iCCP", "林".encode()):
            assert trace not in prepare_image(data).data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_turned_upright(orientation: int) -> None:
    # How a camera held another way stores the picture that should be seen.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = photo(2000, 1000) if stored is None else photo(2000, 1000).transpose(stored)
    prepared = prepare_image(encoded(image, "JPEG", exif=located_exif(orientation)))
    assert (prepared.width, prepared.height) == (1600, 800)
    assert opened(prepared.data).getpixel((50, 50))[0] > 180


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_metadata_do_not_cost_the_picture() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 40)
    assert prepare_image(data).width == 300


def test_another_colour_space_is_converted() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert prepare_image(encoded(photo(), "JPEG", icc_profile=lab)).width == 300  # unusable: dropped
    assert prepare_image(encoded(photo(), "JPEG", icc_profile=b"not a profile")).width == 300
    linear = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    swapped = linear.replace(b"rXYZ", b"tXYZ", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tXYZ", b"bXYZ", 1)
    result = opened(prepare_image(encoded(photo(), "JPEG", icc_profile=bytes(swapped))).data)
    red, _, blue = result.getpixel((20, 20))
    assert blue > red  # the profile says that red is blue


def test_the_byte_cap_comes_first() -> None:
    with pytest.raises(ImageRefused, match="超过了 10 MB"):
        prepare_image(b"\xff\xd8\xff" + b"\0" * (10 * 1024 * 1024))


@pytest.mark.parametrize("size", [(13_000, 13_000), (30_000, 30_000), (8_000, 6_000)])
def test_a_picture_with_too_many_pixels_is_refused_by_its_header(size: tuple[int, int]) -> None:
    data = png_of_size(*size)
    assert len(data) < 200_000
    started = time.process_time()
    with pytest.raises(ImageRefused, match="像素"):
        prepare_image(data)
    assert time.process_time() - started < 0.2


def test_a_picture_of_forty_megapixels_is_still_taken() -> None:
    assert prepare_image(png_of_size(8_000, 5_000)).width == 1600


def test_an_endless_strip_is_refused() -> None:
    with pytest.raises(ImageRefused, match="每边 30000"):
        prepare_image(png_of_size(1, 1_000_000))


def test_large_webp_and_gif_headers_are_refused_before_decoding() -> None:
    webp = bytearray(encoded(photo().rotate(10), "WEBP", exif=located_exif()))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16_000 - 1).to_bytes(3, "little") * 2
    gif = bytearray(encoded(photo(), "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    for data in (webp, gif):
        started = time.process_time()
        with pytest.raises(ImageRefused):
            prepare_image(bytes(data))
        assert time.process_time() - started < 0.2


def progressive_bomb(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated, so that each costs a walk over the picture."""
    data = encoded(Image.new("L", (4000, 4000), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_with_thousands_of_scans_is_refused_at_once() -> None:
    data = progressive_bomb(3_000)
    assert len(data) < LIMITS.max_bytes
    started = time.process_time()
    with pytest.raises(ImageRefused):
        prepare_image(data)
    assert time.process_time() - started < 0.2


def test_scans_are_counted_as_the_format_says() -> None:
    assert decoding._scans(encoded(photo(), "JPEG", exif=located_exif())) == 1
    assert 3 <= decoding._scans(encoded(photo(), "JPEG", progressive=True)) <= 12
    assert decoding._scans(encoded(photo(), "JPEG") + b"\xff\xda" * 500) == 1  # what follows the end is not read
    assert decoding._scans(b"\xff\xd8\xff") == 0


HTML = b"<html><script>alert(1)</script></html>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        HTML,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"BM" + b"\0" * 60,
        b"II*\0" + b"\0" * 60,
        b"\0\0\0\x1cftypavif" + b"\0" * 60,
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused, match="请上传 JPEG"):
        prepare_image(data)


def test_an_iphone_photo_is_refused_with_advice() -> None:
    with pytest.raises(ImageRefused, match="兼容性最佳"):
        prepare_image(b"\0\0\0\x18ftypheic" + b"\0" * 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_cut_off_file_is_refused(kind: str) -> None:
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    data = encoded(noise, kind)
    for length in (4, 20, 60, len(data) // 3, len(data) // 2):
        with pytest.raises(ImageRefused) as caught:
            prepare_image(data[:length])
        assert "请" in caught.value.message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_what_hides_behind_a_picture_does_not_survive(kind: str) -> None:
    prepared = prepare_image(encoded(photo(), kind) + HTML + b"PK\x03\x04evil.php")
    assert b"script" not in prepared.data
    assert b"evil" not in prepared.data


def test_html_in_a_comment_does_not_survive() -> None:
    assert b"script" not in prepare_image(encoded(photo(), "JPEG", comment=HTML)).data


SAMPLES = [encoded(photo(60, 40), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")] + [
    encoded(photo(60, 40), "JPEG", progressive=True, exif=located_exif(6)),
    png_of_size(50, 50),
]


@given(st.sampled_from(SAMPLES), st.data())
@settings(deadline=None, max_examples=300)
def test_nothing_but_a_refusal_is_ever_raised(sample: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(damaged)))
    for candidate in (bytes(damaged), bytes(damaged[:end])):
        with contextlib.suppress(ImageRefused):
            prepared = prepare_image(candidate)
            assert opened(prepared.data).size == (prepared.width, prepared.height)


def test_preparing_leaves_the_event_loop_free() -> None:
    async def main() -> int:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.001)
                beats += 1

        heart = asyncio.create_task(beat())
        prepared = await asyncio.gather(*(prepare_image_in_thread(data) for _ in range(4)))
        heart.cancel()
        assert {result.width for result in prepared} == {1600}
        with pytest.raises(ImageRefused):
            await prepare_image_in_thread(HTML)
        return beats

    data = encoded(photo(3000, 3000), "PNG")
    assert asyncio.run(main()) > 3
    assert asyncio.run(main()) > 3  # the limit on decoders belongs to one loop, not to the process
