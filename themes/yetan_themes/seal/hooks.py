"""What the theme declares: itself."""

from collections.abc import Sequence

from yetan.api import Theme, hookimpl


@hookimpl
def yetan_themes() -> Sequence[Theme]:
    return (Theme(name="seal", title="印", package="yetan_themes.seal"),)
