"""Every page answers everybody as was reviewed (C44, C45)."""

from __future__ import annotations

from tests.contracts.permission_matrix import (
    REVIEWED,
    WRITE,
    Line,
    ask_everybody,
    differences,
    worthless,
    written,
)
from tests.contracts.subjects import Scene

from yetan.access.roles import role_labels


def test_every_page_answers_everybody_as_reviewed(scene: Scene) -> None:
    """One test, so that the site is asked once: what it asks is all there is, says something, and is as reviewed."""
    lines = ask_everybody(scene)
    asked = {(line.path, line.method) for line in lines}
    assert asked == {(page.path, method) for page in scene.site.pages for method in page.methods}
    for line in lines:
        assert {who.partition(".")[0] for who in line.cells} >= {*role_labels(), "resident", "anonymous"}
    assert worthless(lines) == []
    found = differences(REVIEWED.read_text("utf-8"), lines)
    assert not found, "\n".join(
        [
            f"Pages answer otherwise than {REVIEWED.name} says:",
            *found,
            "",
            f"If that is meant, run `{WRITE}`, read each line that `git diff` shows as somebody who would abuse it,",
            "and commit it with the change. Otherwise a permission is wrong.",
        ]
    )


def _line(name: str = "desk.issue", **cells: str) -> Line:
    by_who = {who.replace("_at_", "."): what for who, what in cells.items()}
    return Line(name, "GET", "/desk/issues/{id:int}", "issue.view", by_who)


def test_a_line_groups_who_gets_the_same() -> None:
    line = _line(
        clerk_at_own="ok", clerk_at_child="404", clerk_at_other="404", leader_at_own="403", leader_at_child="403",
        leader_at_other="403", resident="403", anonymous="sign-in",
    )  # fmt: skip
    assert str(line) == (
        "desk.issue GET /desk/issues/{id:int} issue.view"
        " | clerk: own ok, else 404 | leader resident: 403 | anonymous: sign-in"
    )
    assert str(_line(clerk_at_own="ok", anonymous="ok")).endswith(" | everybody: ok")


def test_a_new_a_missing_and_a_changed_line_are_told() -> None:
    reviewed = written([_line(clerk="ok", resident="403"), _line("gone", clerk="ok", resident="403")])
    found = differences(reviewed, [_line(clerk="ok", resident="ok"), _line("new", clerk="ok", resident="403")])
    assert found == [
        "not reviewed: new GET /desk/issues/{id:int} issue.view | clerk: ok | resident: 403",
        "no longer there: gone GET /desk/issues/{id:int} issue.view | clerk: ok | resident: 403",
        "desk.issue GET was reviewed otherwise:",
        "    - clerk: ok",
        "    - resident: 403",
        "    + everybody: ok",
    ]
    assert differences(reviewed, [_line(clerk="ok", resident="403"), _line("gone", clerk="ok", resident="403")]) == []
