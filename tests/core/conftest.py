"""What the core's tests share."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from yetan.access import passwords


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take a millisecond: sixty-four megabytes for every sign-in would make the tests wait on nothing."""
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", hasher)
