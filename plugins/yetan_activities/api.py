"""What other plugins may use of the night activities: they name "activities" in `depends_on` and import this alone."""

from yetan_activities.kinds import OPTIONAL, ActivityKind, kind_of
from yetan_activities.models import RESIDENTS, ROLES, Activity, Attendance, Reflection

__all__ = ["OPTIONAL", "RESIDENTS", "ROLES", "Activity", "ActivityKind", "Attendance", "Reflection", "kind_of"]
