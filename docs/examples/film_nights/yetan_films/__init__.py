"""Films on the square, as a kind of night activity."""

from yetan.api import Plugin

plugin = Plugin(
    name="films",
    title="露天电影",
    version="0.1.0",
    package="yetan_films",
    hooks="yetan_films.hooks",
    requires_api=">=0.1,<0.2",
    depends_on=("activities",),
)
