"""Search: the analysis of Chinese texts, their ranking, and three engines, each a plugin. A city uses one of them."""

from yetan.api import Plugin, message_ids


def _engine(name: str, title: str) -> Plugin:
    hooks = f"yetan_search.hooks.{name}"
    return Plugin(name, title, "0.1.0", package="yetan_search", hooks=hooks, requires_api=">=0.1,<0.2")


#: In files of the city's data folder, without anything else.
whoosh = _engine("whoosh", message_ids("搜索（内置）"))
#: In the city's own database, where that is PostgreSQL: for several processes and machines.
postgresql_search = _engine("postgresql_search", message_ids("搜索（PostgreSQL）"))
#: In files as well, for many issues on one machine. Needs the extra `yetan[tantivy]`.
tantivy = _engine("tantivy", message_ids("搜索（tantivy）"))
