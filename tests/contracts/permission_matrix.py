"""Who gets what, on every page: asked of the running site, and written down as a text that people review (C45).

    python -m tests.contracts.permission_matrix --write

writes permission_matrix.txt anew. Then read what `git diff` shows, line by line: whoever commits it says that it is
right.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.contracts.site import Answer, Site, Visitor, open_site
from tests.contracts.subjects import NEVER, Question, Scene, questions

from yetan.web import errors

REVIEWED = Path(__file__).with_name("permission_matrix.txt")
WRITE = "python -m tests.contracts.permission_matrix --write"

HEADER = """\
# Who gets what. One line a page, method and value of its path:
#
#   name METHOD path permission | who: what | who: what ...
#
# Who: roles, by where their post is as seen from the subject's unit: own; parent, a post in the unit above it;
# sibling, in another unit below the same one; child, in a unit below it; other, elsewhere. On pages about no unit's
# rows: own, a post in some unit, and top, one in the city itself. "else" is the rest of these. And those without a
# post: raiser (signed in, raised the subject), resident (signed in, did not), former (an official whose post has
# ended), follower (not signed in, opened the issue by its slip), anonymous. "everybody" is all of them.
# "[handed on]" is an issue that was raised in the unit and is in the hands of the sibling now.
# What: ok; refused (let through, then stopped by the form or by the state of the matter); 403; 404 (not even told
# that it is there); 401 or sign-in; 303, led elsewhere.
#
# Written by `{write}`. Reviewed by people: read every changed line.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What everybody gets of a page. `cells` are by who: a role and relation, as "leader.parent", or an outsider."""

    name: str
    method: str
    path: str
    permission: str
    cells: Mapping[str, str]

    def __str__(self) -> str:
        head = f"{self.name} {self.method} {self.path} {self.permission}"
        return " | ".join([head, *_segments(self.cells)])


def ask_everybody(scene: Scene) -> list[Line]:
    """Every line of the matrix, by path. Leaves the site as it was."""
    before = scene.site.copy()
    lines = []
    # A fifth of the time would go into drawing error pages that nobody looks at.
    with patch.object(errors, "_page", return_value=None):
        for question in questions(scene):
            lines.append(Line(*_head(question), cells=_cells(scene, question)))
            before.put_back()
    before.close()
    return sorted(lines, key=lambda line: (line.path, line.method, line.name))


def _head(question: Question) -> tuple[str, str, str, str]:
    page = question.page
    return question.name, question.method, page.path, "public" if page.public else page.permission


def _cells(scene: Scene, question: Question) -> dict[str, str]:
    site, ask = scene.site, question.ask
    if ask.given is not None:
        ask.given(scene)
    body = ask.body(scene) if question.method != "GET" else None
    given = site.copy()
    cells = {}
    for visitor in asking(site, question):
        answer = site.ask(visitor, question.path, body)
        cells[visitor.name] = outcome(answer, question)
        if body is not None and answer.status < 400:
            given.put_back()
    given.close()
    return cells


def asking(site: Site, question: Question) -> list[Visitor]:
    """The visitors whose answers may differ."""
    return [each for each in site.visitors.values() if not each.role or each.relation in question.relations]


def outcome(answer: Answer, question: Question) -> str:
    """The class of an answer."""
    if answer.status in (401, 403, 404, 500):
        return str(answer.status)
    if answer.location.partition("?")[0] == "/sign-in":
        return "sign-in"
    if answer.status == 200 or (question.method != "GET" and answer.status < 400):
        return "ok"
    return str(answer.status) if answer.status < 400 or question.method == "GET" else "refused"


def worthless(lines: Iterable[Line]) -> list[str]:
    """Lines that say nothing about permissions: of a page that broke, or that gives nobody anything."""
    found = []
    for line in lines:
        got = set(line.cells.values())
        if "500" in got:
            found.append(f"{line.name} fails: {line}")
        elif not got & {"ok", "303"} and line.name not in NEVER:
            found.append(
                f"{line.name} gives nobody anything; see ASKS and NEVER in tests/contracts/subjects.py: {line}"
            )
    return found


# As text


def _segments(cells: Mapping[str, str]) -> Iterator[str]:
    """ "who: what" for each group of those who get the same."""
    patterns: dict[str, dict[str, str]] = {}
    for who, what in cells.items():
        name, _, relation = who.partition(".")
        patterns.setdefault(name, {})[relation] = what
    groups: dict[str, list[str]] = {}
    for name, by_relation in patterns.items():
        groups.setdefault(_pattern(by_relation), []).append(name)
    for pattern, names in groups.items():
        yield f"{'everybody' if len(groups) == 1 else ' '.join(names)}: {pattern}"


def _pattern(by_relation: Mapping[str, str]) -> str:
    """ "own parent ok, else 404" """
    tally = Counter(by_relation.values())
    if len(tally) == 1:
        return next(iter(tally))
    rest = max(tally, key=lambda what: (tally[what], what != "ok"))
    parts = [
        f"{' '.join(relation for relation, each in by_relation.items() if each == what)} {what}"
        for what in tally
        if what != rest
    ]
    return ", ".join([*parts, f"else {rest}"])


def written(lines: Iterable[Line]) -> str:
    """The whole text."""
    return HEADER.format(write=WRITE) + "".join(f"{line}\n" for line in lines)


# Comparing


def differences(reviewed: str, lines: Sequence[Line]) -> list[str]:
    """What the site does otherwise than was reviewed, a sentence each; nothing if all is the same."""
    old = {_key(text): text for text in reviewed.splitlines() if text and not text.startswith("#")}
    new = {_key(str(line)): line for line in lines}
    found = [f"not reviewed: {line}" for key, line in new.items() if key not in old]
    found += [f"no longer there: {text}" for key, text in old.items() if key not in new]
    for key, line in new.items():
        if key in old and old[key] != str(line):
            found.append(f"{key} was reviewed otherwise:")
            found += [f"    - {part}" for part in old[key].split(" | ") if part not in str(line).split(" | ")]
            found += [f"    + {part}" for part in str(line).split(" | ") if part not in old[key].split(" | ")]
    return found


def _key(text: str) -> str:
    """Name and method."""
    return " ".join(text.split(" ", 2)[:2])


def main(arguments: Sequence[str]) -> int:
    """Print what differs from the reviewed text, or write it anew."""
    with tempfile.TemporaryDirectory() as folder, open_site(Path(folder)) as site:
        lines = ask_everybody(Scene(site))
    if found := worthless(lines):
        print("\n".join(found))
    if "--write" in arguments:
        REVIEWED.write_text(written(lines), "utf-8")
        print(f"{REVIEWED.name} has {len(lines)} lines. Read every one that git diff shows.")
        return 0
    found = differences(REVIEWED.read_text("utf-8"), lines)
    print("\n".join(found) or "Everything is as reviewed.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
