"""现场踏勘 and other things the how-to pages show, one module each."""

from yetan.api import Plugin
from yetan_how_to.channel import HowToConfiguration

plugin = Plugin(
    name="how_to",
    title="现场踏勘",
    version="0.1.0",
    package="yetan_how_to",
    hooks="yetan_how_to.hooks",
    requires_api=">=0.1,<0.2",
    configuration=HowToConfiguration,
    models="yetan_how_to.models",
    migrations="yetan_how_to.migrations",
)
