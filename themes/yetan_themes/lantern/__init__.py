"""灯: one issue, one lamp; it is lit only when residents accept."""

from yetan.api import Plugin

plugin = Plugin(
    name="lantern",
    title="灯",
    version="0.1.0",
    package="yetan_themes.lantern",
    hooks="yetan_themes.lantern.hooks",
    requires_api=">=0.1,<0.2",
)
