"""/metrics: what this process has counted, as Prometheus reads it. For allowed addresses alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from starlette.responses import Response

from yetan.db.statements import fetch
from yetan.errors import NotFound
from yetan.plugins.declarations import Page
from yetan.plugins.guarding import Figures
from yetan.plugins.quarantine import last_failures
from yetan.plugins.registry import Registry
from yetan.runtime import current
from yetan.web.headers import is_among
from yetan.web.request import Request

if TYPE_CHECKING:
    from prometheus_client.core import Metric

#: What is told of each function of each plugin: name, what it is, and where it stands.
_OF_CALLS: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("calls", "Calls of a plugin's functions", lambda each: each.calls),
    ("failures", "Calls that failed or were cut off", lambda each: each.failures),
    ("seconds", "Seconds from call to answer, waiting included", lambda each: each.seconds),
    ("held_seconds", "Seconds the event loop was held", lambda each: each.held),
    ("blocked", "Times the event loop was held too long in one go", lambda each: each.blocked),
)

_LONGEST: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("longest_seconds", "Seconds from call to answer of the longest call", lambda each: each.slowest),
    ("longest_held_seconds", "The longest the event loop was held in one go", lambda each: each.longest),
)


class _Figures:
    """What a registry of prometheus_client collects from."""

    def __init__(
        self, registry: Registry, deliveries: Iterable[tuple[str, int]], failures: Mapping[str, datetime]
    ) -> None:
        self._registry = registry
        self._deliveries = deliveries
        self._failures = failures

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        plugins = GaugeMetricFamily("yetan_plugin_info", "The plugins that are on", labels=("plugin", "version"))
        for plugin in self._registry.plugins:
            plugins.add_metric((plugin.name, plugin.version), 1)
        yield plugins
        conducts = self._registry.conducts.values()
        calls = [((each.plugin, call), figures) for each in conducts for call, figures in each.figures.items()]
        for family, told in ((CounterMetricFamily, _OF_CALLS), (GaugeMetricFamily, _LONGEST)):
            for name, what, figure in told:
                counted = family(f"yetan_plugin_{name}", what, labels=("plugin", "call"))
                for labels, figures in calls:
                    counted.add_metric(labels, figure(figures))
                yield counted
        last = GaugeMetricFamily(
            "yetan_plugin_last_failure_timestamp_seconds",
            "When a plugin last failed, in any process",
            labels=("plugin",),
        )
        for name, at in self._failures.items():
            last.add_metric((name,), at.timestamp())
        yield last
        quarantine = GaugeMetricFamily(
            "yetan_plugin_quarantined", "Whether a plugin is in quarantine", labels=("plugin",)
        )
        for conduct in conducts:
            quarantine.add_metric((conduct.plugin,), float(conduct.paused))
        yield quarantine
        deliveries = GaugeMetricFamily("yetan_deliveries", "Deliveries that are not made yet", labels=("state",))
        for state, count in self._deliveries:
            deliveries.add_metric((state,), count)
        yield deliveries


async def metrics(request: Request) -> Response:
    """This process's figures, and the deliveries and latest failures of all.

    Raises `NotFound` for anybody who is not to read them.
    """
    if not _may_read(request):
        raise NotFound
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    counted = await fetch(
        "SELECT state, count(*) AS count FROM yetan_delivery WHERE state IN ('pending', 'dead') GROUP BY state"
    )
    counts = {"pending": 0, "dead": 0, **{row["state"]: row["count"] for row in counted}}
    collected = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=collected)
    collected.register(_Figures(current().registry, counts.items(), await last_failures()))
    return Response(generate_latest(collected), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _may_read(request: Request) -> bool:
    server = current().configuration.server
    if "x-forwarded-for" in request.headers and not server.trusted_proxies:
        # It came through a proxy nobody told us of, whose own address says nothing of who asks.
        return False
    return is_among(request.act.source, [ip_network(each) for each in server.metrics_readers])


#: Personal: never cached, and served by every site.
PAGES = (Page("/metrics", metrics, "metrics", public=True, personal=True),)
