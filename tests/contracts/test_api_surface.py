"""What plugins stand on changes by decision alone."""

from __future__ import annotations

from tests.contracts.api_surface import RECORDED, WRITE, differences, surface, written


def test_the_public_interface_is_as_recorded() -> None:
    found = differences(RECORDED.read_text(encoding="utf-8"), surface())
    assert not found, "\n".join(
        [
            f"The public interface is not what {RECORDED.name} says:",
            *found,
            "",
            "A line that is gone or altered breaks plugins: docs/plugins/stability.md says what that asks for.",
            f"If it is meant, run `{WRITE}`, read each line of `git diff`, and commit it with the change.",
        ]
    )


def test_what_was_taken_away_and_what_has_come_is_told() -> None:
    recorded = written(["yetan.api.may(act)", "yetan.api.gone()"])
    assert differences(recorded, ["yetan.api.may(act, unit)", "yetan.api.new()"]) == [
        "- yetan.api.may(act)",
        "- yetan.api.gone()",
        "+ yetan.api.may(act, unit)",
        "+ yetan.api.new()",
    ]
    assert differences(recorded, ["yetan.api.may(act)", "yetan.api.gone()"]) == []
