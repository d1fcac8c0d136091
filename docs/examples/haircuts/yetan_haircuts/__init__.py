"""便民理发日: days of free haircuts, on which residents over sixty book a place."""

from yetan.api import Plugin

plugin = Plugin(
    name="haircuts",
    title="便民理发日",
    version="0.1.0",
    package="yetan_haircuts",
    hooks="yetan_haircuts.hooks",
    requires_api=">=0.1,<0.2",
    models="yetan_haircuts.models",
    migrations="yetan_haircuts.migrations",
)
