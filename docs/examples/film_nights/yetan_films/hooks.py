"""What the plugin declares."""

from yetan.api import hookimpl
from yetan_activities.api import ActivityKind


@hookimpl
def yetan_activities_kinds() -> list[ActivityKind]:
    """A film on the square, and what people say about it afterwards."""
    asks = ("venue", "host_name", "programme", "stated_residents", "summary")
    return [ActivityKind("film", "露天电影", description="放完电影，大家留下来坐坐。", asks=asks, position=60)]
