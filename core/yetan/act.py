"""Who does something, when, and under which key: what every service takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from yetan.i18n import message_ids

#: Returns the present instant, aware, in UTC. Injected everywhere; the system's one stands below.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's clock: the default `Clock`, chosen where the application or a command is put together."""
    return datetime.now(UTC)


class Grant(Struct, frozen=True):
    """One post's reach: the permissions of `role` over the subtree of the unit `unit_id`.

    `whole_city` says that the unit is the city itself, above all others.
    """

    role: str
    unit_id: int
    post_id: int
    whole_city: bool = False


class Actor(Struct, frozen=True):
    """Somebody acting: a signed-in account, a resident known by a follow code, nobody in particular, or the system.

    `grants` come from the posts the account holds now. `unrestricted` is the system's alone: jobs, subscribers and
    the operator's commands.
    """

    name: str = ""
    account_id: int | None = None
    person_id: int | None = None
    grants: tuple[Grant, ...] = ()
    unrestricted: bool = False

    @property
    def signed_in(self) -> bool:
        """Whether an account stands behind this actor."""
        return self.account_id is not None

    @property
    def is_staff(self) -> bool:
        """Whether the actor holds a post now."""
        return bool(self.grants) or self.unrestricted

    @property
    def label(self) -> str:
        """A stable name for records: account, person, system or anonymous, never a personal name."""
        if self.account_id is not None:
            return f"account:{self.account_id}"
        if self.unrestricted:
            return "system"
        return f"person:{self.person_id}" if self.person_id is not None else "anonymous"


ANONYMOUS = Actor()
SYSTEM = Actor(name=message_ids("系统"), unrestricted=True)


class Act(Struct, frozen=True):
    """The occasion of a change or a look: who, when (aware UTC), and the idempotency key.

    `key` is "" where the caller has nothing to repeat. `source` is the remote address, for audit and throttling.
    `historical` marks what is told after the fact (imports): it fills figures and search and starts nothing.
    """

    actor: Actor
    now: datetime
    key: str = ""
    source: str = ""
    historical: bool = False
    locale: str = field(default="zh_Hans")

    def __post_init__(self) -> None:
        assert self.now.tzinfo is not None, "Act.now must be an aware datetime; pass clock()."

    def at(self, now: datetime) -> Act:
        """The same act at another instant."""
        return replace(self, now=now)

    def keyed(self, key: str) -> Act:
        """The same act under another idempotency key."""
        return replace(self, key=key)
