"""What a check found: how much is wrong, and the first few places."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from yetan.plugins.declarations import Health

_EXAMPLES = 5


class Findings(Struct):
    """Places where something is wrong. Only the first few are kept, however many there are."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, place: object) -> None:
        """Note one place: a number or an id."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(str(place))

    def extend(self, places: Iterable[object]) -> None:
        """Note several places."""
        for place in places:
            self.add(place)

    def health(self, name: str, fine: str, wrong: str, remedy: str) -> Health:
        """The check's line: `fine`, or `wrong` with the count in place of {} and the first places."""
        if not self.count:
            return Health(name, True, fine)
        more = " 等" if self.count > len(self.examples) else ""
        return Health(name, False, f"{wrong.format(self.count)}：{'、'.join(self.examples)}{more}", remedy)
