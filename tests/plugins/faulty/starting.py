"""A hook that fails at the start."""

from collections.abc import Sequence

from tests.plugins.faulty import faulty

from yetan.api import Metric, hookimpl

plugin = faulty(__name__)


@hookimpl
def yetan_metrics() -> Sequence[Metric]:
    raise RuntimeError("the bell has no clapper")
