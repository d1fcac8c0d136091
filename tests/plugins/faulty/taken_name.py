"""Declares a permission of the core's."""

from collections.abc import Sequence

from tests.plugins.faulty import faulty

from yetan.api import Permission, hookimpl

plugin = faulty(__name__)


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return [Permission("issue.view", "看", frozenset({"village_official"}))]
