"""周末义诊: free clinics on weekends, kept by villages and townships, announced to residents."""

from yetan.api import Plugin

plugin = Plugin(
    name="clinics",
    title="周末义诊",
    version="0.1.0",
    package="yetan_clinics",
    hooks="yetan_clinics.hooks",
    requires_api=">=0.1,<0.2",
    models="yetan_clinics.models",
    migrations="yetan_clinics.migrations",
)
