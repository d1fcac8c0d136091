"""What other plugins may use of the night activities: they name "activities" in `depends_on` and import this alone."""

from yetan_activities.attendance import Presence, presence_at
from yetan_activities.evening import close_activity, held, held_open, hosted, open_activity
from yetan_activities.guards import ActivityGuard, StillOpen
from yetan_activities.kinds import OPTIONAL, ActivityKind, kind_of, kinds_of_city
from yetan_activities.models import RESIDENTS, ROLES, WAYS, Activity, Attendance, Reflection
from yetan_activities.occasions import Occasion, occasions
from yetan_activities.reflections import decide as decide_reflection
from yetan_activities.reflections import reflect
from yetan_activities.signing_in import Seat, expect, mark_present, seat_of, sign_in

__all__ = [
    "OPTIONAL",
    "RESIDENTS",
    "ROLES",
    "WAYS",
    "Activity",
    "ActivityGuard",
    "ActivityKind",
    "Attendance",
    "Occasion",
    "Presence",
    "Reflection",
    "Seat",
    "StillOpen",
    "close_activity",
    "decide_reflection",
    "expect",
    "held",
    "held_open",
    "hosted",
    "kind_of",
    "kinds_of_city",
    "mark_present",
    "occasions",
    "open_activity",
    "presence_at",
    "reflect",
    "seat_of",
    "sign_in",
]
