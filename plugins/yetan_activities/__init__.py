"""夜间活动: what all night activities share: planning, signing in, record, public page, calendar, figures."""

from yetan.api import Plugin
from yetan_activities.configuration import ActivitiesConfiguration

plugin = Plugin(
    name="activities",
    title="夜间活动",
    version="0.1.0",
    package="yetan_activities",
    hooks="yetan_activities.hooks",
    hookspecs="yetan_activities.hookspecs",
    requires_api=">=0.1,<0.2",
    configuration=ActivitiesConfiguration,
    models="yetan_activities.models",
    migrations="yetan_activities.migrations",
)
