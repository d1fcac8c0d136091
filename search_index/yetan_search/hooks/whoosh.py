"""Whoosh, in the folder `index` of the city's data."""

from typing import Any

from yetan.api import SearchBackend, hookimpl
from yetan_search.whoosh_backend import WhooshBackend


@hookimpl
def yetan_search_backend(configuration: Any, plugin_configuration: Any) -> SearchBackend:
    return WhooshBackend(configuration.data_dir / "index")
