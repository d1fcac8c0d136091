"""A photo read within limits, turned upright, scaled down and written anew (C23, C24).

What is stored is never what was sent. Only the picture survives: no place, no camera, no thumbnail, and
nothing else that a file can carry beside its picture.
"""

from __future__ import annotations

import io
import re
import warnings

from PIL import Image, ImageCms, ImageOps

from yetan.files.images import LIMITS, MEGABYTE, ImageLimits, ImageRefused, PreparedImage

# Pillow only warns of pictures up to twice its own cap; nothing that large is wanted here.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

# A photo is written in one scan, a progressive one in about ten. Each scan costs a walk over the picture and
# may take only a hundred bytes: a small file with thousands of them would keep a processor busy for hours.
_MOST_SCANS = 32


def prepare_image(data: bytes, *, limits: ImageLimits = LIMITS) -> PreparedImage:
    """Read a JPEG, PNG, WebP or GIF (its first frame) by its content, and write it anew.

    The result is upright, in sRGB, at most `limits.longest_side` pixels long, without any metadata: PNG where
    the picture has transparent parts, else JPEG. Raises ImageRefused, and nothing else.
    """
    if len(data) > limits.max_bytes:
        raise ImageRefused(
            "图片有 {size} MB，超过了 {most} MB 的上限。请用手机压缩或截图后再传。",
            size=f"{len(data) / MEGABYTE:.1f}",
            most=f"{limits.max_bytes / MEGABYTE:g}",
        )
    kind = _kind(data)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check_size(image, limits)
            if kind == "JPEG" and _scans(data) > _MOST_SCANS:
                raise _damaged()
            return _write(_read(image, limits), limits)
    except ImageRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused("图片的像素太多，无法处理。请缩小或截图后再传。") from error
    except Exception as error:  # a malformed file can make a decoder fail in any way
        raise _damaged() from error


def _damaged() -> ImageRefused:
    return ImageRefused("图片不完整或已损坏，打不开。请重新拍照，或换一张再传。")


_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def _kind(data: bytes) -> str:
    """Pillow's name of the format, by the first bytes; the name a file came with says nothing."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        # Pillow opens these only where the operator has installed a decoder for them.
        Image.init()
        if "HEIF" in Image.OPEN:
            return "HEIF"
        raise ImageRefused(
            "这是 HEIC 格式的照片，这里打不开。请截图后上传，或在手机的相机设置里把格式改为“兼容性最佳”（JPEG）再拍。"
        )
    raise ImageRefused("这个文件不是能用的照片。请上传 JPEG、PNG、WebP 或 GIF 格式的图片。")


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    """Refuse a picture by the size its header states, before any of it is decoded."""
    width, height = image.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_source_side:
        raise ImageRefused(
            "图片有 {width}×{height} 像素，太大了（上限 {most} 百万像素，每边 {side}）。请缩小或截图后再传。",
            width=width,
            height=height,
            most=limits.max_pixels // 1_000_000,
            side=limits.max_source_side,
        )


# A marker that begins a segment; in a scan's data FF is followed by 00 or by a restart mark.
_SEGMENT = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


def _scans(data: bytes) -> int:
    """How many scans the first picture of a JPEG file has; counting stops where there are too many."""
    scans = 0
    segment = _SEGMENT.search(data, 2)
    while segment and segment[0] != _END and scans <= _MOST_SCANS:
        scans += segment[0] == _SCAN
        length = int.from_bytes(data[segment.end() : segment.end() + 2])
        segment = _SEGMENT.search(data, segment.end() + length)
    return scans


def _read(image: Image.Image, limits: ImageLimits) -> Image.Image:
    """The picture scaled down, upright and in sRGB."""
    profile = image.info.get("icc_profile")
    scalable = image.mode in ("L", "RGB", "RGBA", "LA", "CMYK") and "transparency" not in image.info
    scaled = image if scalable else _in_colours(image)
    # A JPEG is decoded at a fraction of its size here, which spares most of the time and memory.
    scaled.thumbnail((limits.longest_side, limits.longest_side), Image.Resampling.LANCZOS)
    upright = _upright(scaled)
    if profile:
        upright = _in_srgb(upright, profile)
    return _in_colours(upright)


def _in_colours(image: Image.Image) -> Image.Image:
    """The picture in RGB, or RGBA where it has transparent parts."""
    if image.mode.startswith("I"):
        # 16 bits a pixel, of which the upper eight are what can be seen.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its metadata say; as it is where they cannot be read."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata are no reason to refuse a picture that can be seen
        return image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in the colours every screen assumes; as it is where its colour profile cannot be used."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def _write(image: Image.Image, limits: ImageLimits) -> PreparedImage:
    """Encode the pixels alone."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    image.info = {}  # Pillow would copy comments and colour profiles from here
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, "PNG")
        media_type = "image/png"
    else:
        image.save(buffer, "JPEG", quality=limits.jpeg_quality, optimize=True)
        media_type = "image/jpeg"
    return PreparedImage(buffer.getvalue(), media_type, *image.size)
