"""印: another look on the same frame. One issue, one seal; it is set only when residents accept."""

from yetan.api import Plugin

plugin = Plugin(
    name="seal",
    title="印",
    version="0.1.0",
    package="yetan_themes.seal",
    hooks="yetan_themes.seal.hooks",
    requires_api=">=0.1,<0.2",
    # Its stylesheet is a few pages laid over lantern's.
    depends_on=("lantern",),
)
