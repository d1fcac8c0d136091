"""PostgreSQL's full text, in the city's own database."""

from typing import Any

from yetan.api import ConfigurationError, SearchBackend, hookimpl
from yetan_search.postgresql_backend import PostgresqlBackend


@hookimpl
def yetan_search_backend(configuration: Any, plugin_configuration: Any) -> SearchBackend:
    if configuration.database_url.startswith("sqlite:"):
        raise ConfigurationError(
            [
                "search：postgresql_search 把索引放在城市自己的 PostgreSQL 数据库里，这座城市用的是 SQLite。"
                "请把 plugins 和 search 里的 postgresql_search 换成 whoosh，或者改用 PostgreSQL（database.url）。"
            ]
        )
    return PostgresqlBackend(configuration.database_url)
