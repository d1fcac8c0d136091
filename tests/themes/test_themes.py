"""The themes and every template keep what the pages promise: small, self-contained, readable, old phones."""

from __future__ import annotations

import gzip
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THEMES = {path.parent.name: path.parent for path in (ROOT / "themes").glob("*/*/theme.toml")}
SOURCES = ("core", "plugins", "themes")
TEMPLATES = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.html") if "templates" in path.parts)
STYLESHEETS = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.css"))

LIGHTS = ("day", "night", "contrast")


def _told(theme: str) -> dict[str, list[str]]:
    """What a theme's theme.toml says."""
    return tomllib.loads((THEMES[theme] / "theme.toml").read_text(encoding="utf-8"))


def _sheets(theme: str) -> str:
    """A theme's stylesheets, in the order they are laid; the first may be another theme's."""
    found = {path.name: path for folder in THEMES.values() for path in (folder / "static").glob("*.css")}
    return "\n".join(found[name].read_text(encoding="utf-8") for name in _told(theme)["stylesheets"])


EVERY_THEME = pytest.mark.parametrize("theme", sorted(THEMES))
LOOKS = [
    (theme, light, skin) for theme in sorted(THEMES) for light in LIGHTS for skin in _told(theme).get("skins", [""])
]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _without_comments(css: str) -> str:
    return re.sub(r"/\*.*?\*/", "", css, flags=re.S)


def _tokens(theme: str, selector: str) -> list[dict[str, str]]:
    """The tokens of each block for `selector`, in the order they stand."""
    blocks = re.findall(r"([^{}]+)\{([^{}]*)\}", _without_comments(_sheets(theme)))
    return [
        dict(re.findall(r"(--[\w-]+|color-scheme): ([^;]+);", block))
        for selectors, block in blocks
        if selector in [each.strip() for each in selectors.split(",")] and "--" in block
    ]


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _colours(theme: str, light: str, skin: str) -> dict[str, str]:
    """The tokens in force, cascaded as the stylesheets do."""
    colours: dict[str, str] = {}
    for selector in (":root", f"[data-skin={skin}]", f"[data-light={light}]"):
        for block in _tokens(theme, selector):
            colours.update((name, value) for name, value in block.items() if value.startswith("#"))
    return colours


@EVERY_THEME
def test_the_stylesheets_are_small_on_the_wire(theme: str) -> None:
    assert len(gzip.compress(_sheets(theme).encode(), 9)) <= 20 * 1024


@EVERY_THEME
def test_the_files_the_theme_names_exist(theme: str) -> None:
    assert _sheets(theme)
    assert (THEMES[theme] / "static" / str(_told(theme)["icon"])).is_file()


@pytest.mark.parametrize("path", STYLESHEETS, ids=_name)
def test_a_stylesheet_fetches_nothing(path: Path) -> None:
    css = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:)?//[\w.]+|@import|@font-face|data:", _without_comments(css))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_fetches_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # A link a person follows may lead outside; what the browser loads by itself may not.
    assert not re.findall(r"""\b(?:src|srcset|action|poster|data)=["'](?:https?:)?//""", text)
    assert not re.findall(r"""<link\b[^>]*href=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_has_no_inline_style_or_script(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"<style\b|\sstyle\s*=\s*[\"'{]|\son[a-z]+\s*=\s*[\"'{]|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", text))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_static_files_a_template_names_exist(path: Path) -> None:
    named = re.findall(r"""\bstatic\(\s*["']([^"']+)["']""", path.read_text(encoding="utf-8"))
    folders = [folder for source in SOURCES for folder in (ROOT / source).rglob("static") if folder.is_dir()]
    missing = [name for name in named if not any((folder / name).is_file() for folder in folders)]
    assert not missing


def test_the_frame_takes_its_files_from_the_theme() -> None:
    frame = (ROOT / "core" / "yetan" / "templates" / "base.html").read_text(encoding="utf-8")
    assert "static(each)" in frame
    assert "static(theme.icon)" in frame
    assert "lantern" not in frame


@EVERY_THEME
def test_old_phones_understand_the_stylesheets(theme: str) -> None:
    """Chrome 66, X5 and Safari 12 drop a rule with a selector or length they do not know."""
    css = _without_comments(_sheets(theme))
    unknown = re.findall(r":(?:has|is|where|focus-visible|focus-within)\b|(?<![\w-])(?:min|max|clamp)\(", css)
    unknown += re.findall(r"(?<![\w-])(?:gap|row-gap|column-gap|inset|aspect-ratio)\s*:", css)
    unknown += re.findall(r"@(?:layer|container|property|supports)\b|&", css)
    assert not unknown


@EVERY_THEME
def test_night_by_choice_and_by_the_system_are_one_night(theme: str) -> None:
    assert _tokens(theme, "[data-light=night]")[-1] == _tokens(theme, "[data-light=auto]")[-1]


@EVERY_THEME
def test_night_and_contrast_win_over_every_skin(theme: str) -> None:
    skins = [skin for skin in _told(theme).get("skins", []) if skin]
    changed = {name for skin in skins for name in _tokens(theme, f"[data-skin={skin}]")[0]}
    assert bool(changed) == bool(skins)
    for light in ("night", "contrast"):
        assert changed <= set(_tokens(theme, f"[data-light={light}]")[-1])


def _pairs() -> Iterator[tuple[str, str, float]]:
    for ground in ("paper", "surface", "sunk"):
        for text in ("ink", "ink-2", "link", "visited", "bad"):
            yield text, ground, 4.5
        yield "line-2", ground, 3.0
        yield "bar", ground, 3.0
    for text in ("band-ink", "band-ink-2", "band-bad"):
        yield text, "band", 4.5
    yield "lamp", "band", 3.0
    yield "on-act", "act", 4.5
    yield "on-act", "act-hover", 4.5
    yield "act", "surface", 4.5
    yield "on-lamp", "lamp", 4.5
    yield "lamp-ink", "lamp-wash", 4.5
    yield "info", "surface", 4.5
    for wash in ("lamp-wash", "bad-wash", "info-wash", "focus-wash"):
        yield "ink", wash, 4.5
    yield "bad", "bad-wash", 4.5
    yield "focus", "paper", 3.0


@pytest.mark.parametrize(("theme", "light", "skin"), LOOKS)
def test_words_and_edges_can_be_seen(theme: str, light: str, skin: str) -> None:
    """WCAG 1.4.3 and 1.4.11, for every theme, light and skin."""
    colours = _colours(theme, light, skin)
    faint = {
        f"{text} on {ground}": round(ratio, 2)
        for text, ground, least in _pairs()
        if (ratio := _contrast(colours[f"--{text}"], colours[f"--{ground}"])) < least
    }
    assert not faint


@EVERY_THEME
def test_targets_are_large_enough_for_elder_hands(theme: str) -> None:
    """44 px, and 60 px in the elder view."""
    assert [each["--tap"] for each in _tokens(theme, ":root") if "--tap" in each] == ["44px"]
    assert [each["--tap"] for each in _tokens(theme, "[data-elder]") if "--tap" in each] == ["60px"]
