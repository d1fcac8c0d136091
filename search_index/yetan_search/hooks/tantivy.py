"""tantivy, in the folder `index` of the city's data."""

from importlib.util import find_spec
from typing import Any

from yetan.api import ConfigurationError, SearchBackend, hookimpl


@hookimpl
def yetan_search_backend(configuration: Any, plugin_configuration: Any) -> SearchBackend:
    if find_spec("tantivy") is None:
        raise ConfigurationError(
            ["search：没有安装 tantivy。请运行 pip install 'yetan[tantivy]'，或者把 plugins 和 search 换成 whoosh。"]
        )
    from yetan_search.tantivy_backend import TantivyBackend

    return TantivyBackend(configuration.data_dir / "index")
