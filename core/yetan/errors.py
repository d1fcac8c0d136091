"""What can go wrong in a service, as exceptions a page turns into an answer.

Each carries a sentence that tells a person what to do next: a message id and the values for its {places}. It is said
in the language of whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.i18n import message_ids, translate


class YetanError(Exception):
    """Base of all refusals. `message` is for people, in their language; `status` the HTTP status it becomes."""

    status = 400

    def __init__(self, message: str, /, **values: object) -> None:
        self.message = translate(message, **values)
        super().__init__(self.message)


class Invalid(YetanError):  # noqa: N818 - read as "the input is invalid"
    """Input that cannot be taken as it is. `fields` maps a field's name to what is wrong with it."""

    status = 422

    def __init__(self, message: str, /, fields: Mapping[str, Sequence[str]] | None = None, **values: object) -> None:
        super().__init__(message, **values)
        self.fields: dict[str, list[str]] = {name: list(texts) for name, texts in (fields or {}).items()}

    @classmethod
    def field(cls, name: str, message: str, /, **values: object) -> Invalid:
        """One field is wrong."""
        error = cls(message, None, **values)
        error.fields[name] = [error.message]
        return error

    def about(self, name: str) -> Invalid:
        """The same as something wrong with the field `name`, where it names none: a file that cannot be taken."""
        if self.message and not self.fields:
            self.fields[name] = [self.message]
        return self


class Forbidden(YetanError):  # noqa: N818
    """The actor may see the thing but not do this to it."""

    status = 403


class NotFound(YetanError):  # noqa: N818
    """There is no such thing, or the actor may not know that there is."""

    status = 404

    def __init__(self, message: str = message_ids("没有找到。请核对编号或网址。"), /, **values: object) -> None:
        super().__init__(message, **values)


class Refused(YetanError):  # noqa: N818
    """A rule or a guard says no; the message says why and what would have to come first."""

    status = 409


class Conflict(YetanError):  # noqa: N818
    """Somebody else was quicker. The page shows what changed beside what was typed."""

    status = 409


class TooMany(YetanError):  # noqa: N818
    """A throttle is shut. `retry_after` is in seconds."""

    status = 429

    def __init__(self, message: str, /, retry_after: int, **values: object) -> None:
        super().__init__(message, **values)
        self.retry_after = retry_after


class ConfigurationError(Exception):
    """The deployment cannot start as configured. `problems` lists all of them, in English with the path in the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)
