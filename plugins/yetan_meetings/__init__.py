"""居民夜谈会: the five forms of night talks, from the evening itself to the report and the ledger (002-A1 to A6)."""

from yetan.api import Plugin
from yetan_meetings.configuration import MeetingsConfiguration

plugin = Plugin(
    name="meetings",
    title="居民夜谈会",
    version="0.1.0",
    package="yetan_meetings",
    hooks="yetan_meetings.hooks",
    requires_api=">=0.1,<0.2",
    depends_on=("activities",),
    configuration=MeetingsConfiguration,
    models="yetan_meetings.models",
    migrations="yetan_meetings.migrations",
)
