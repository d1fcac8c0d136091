"""Whether a running city is well: what the administration page shows, and all that `yetan check` looks at.

`quick` has what a page has the time for. `inspection` goes over everything; each of its modules names what is wrong,
where, by numbers and ids and never by a person's data, and what to do about it. `repairs` mends what can be computed
anew from the issues themselves: the board, its figures, who may see what, the index. Nothing else is ever mended by a
program.
"""

from yetan.health.inspection import inspect
from yetan.health.quick import checks
from yetan.health.repairs import repair

__all__ = ["checks", "inspect", "repair"]
