"""A guard that fails when an issue is to be extended."""

from collections.abc import Sequence

from tests.plugins.faulty import faulty

from yetan.api import Act, Guard, Issue, hookimpl

plugin = faulty(__name__)


async def check(issue: Issue, act: Act) -> str:
    raise RuntimeError("the bell has no clapper")


@hookimpl
def yetan_issue_guards() -> Sequence[Guard]:
    return [Guard(plugin.name, ("extend",), check)]
