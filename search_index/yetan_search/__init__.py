"""Search with Whoosh: the embedded engine."""

from yetan.api import Plugin

plugin = Plugin(
    name="whoosh",
    title="搜索（内置）",
    version="0.1.0",
    package="yetan_search",
    hooks="yetan_search.hooks",
)
