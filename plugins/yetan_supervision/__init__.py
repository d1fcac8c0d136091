"""督办: dunning notices before the deadline, to the unit that has to act (002-B10)."""

from yetan.api import Plugin
from yetan_supervision.configuration import SupervisionConfiguration

plugin = Plugin(
    name="supervision",
    title="督办",
    version="0.1.0",
    package="yetan_supervision",
    hooks="yetan_supervision.hooks",
    requires_api=">=0.1,<0.2",
    configuration=SupervisionConfiguration,
    models="yetan_supervision.models",
    migrations="yetan_supervision.migrations",
)
