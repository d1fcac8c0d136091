"""Audit records are kept for at least six months, whatever somebody writes (C80)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.core.test_configuration import CITY, loaded, problems_of

from yetan.config import SIX_MONTHS


def test_the_default_is_more_than_six_months(tmp_path: Path) -> None:
    assert loaded(tmp_path).audit.retention_days > SIX_MONTHS


def test_a_longer_one_is_taken(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"{CITY}\n[audit]\nretention_days = 1000\n").audit.retention_days == 1000
    assert loaded(tmp_path, f"{CITY}\n[audit]\nretention_days = {SIX_MONTHS}\n").audit.retention_days == SIX_MONTHS


@pytest.mark.parametrize("days", [0, -1, 30, 180, SIX_MONTHS - 1])
def test_a_shorter_one_is_refused_with_the_reason(tmp_path: Path, days: int) -> None:
    (said,) = problems_of(tmp_path, f"{CITY}\n[audit]\nretention_days = {days}\n")
    assert said.startswith(f"audit.retention_days：{days} 天太短。法律要求日志至少保存六个月")


def test_a_misspelt_key_is_told(tmp_path: Path) -> None:
    (said,) = problems_of(tmp_path, f"{CITY}\n[audit]\nretention = 400\n")
    assert "audit.retention" in said
