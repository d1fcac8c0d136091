"""Tokens and the keyed hashes they are stored as: a copy of the database alone opens no door (C41)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from yetan.runtime import current


def new_token() -> str:
    """256 random bits, as 43 characters that may stand in an address or a cookie."""
    return secrets.token_urlsafe(32)


def keyed_hash(purpose: str, text: str) -> str:
    """HMAC-SHA256 of `text` under the deployment's secret, as 64 hexadecimal digits.

    `purpose` separates uses: the same text gives unrelated hashes as a session and as a throttled phone number.
    """
    key = current().configuration.secret_key.encode("utf-8")
    message = f"{purpose}\x1f{text}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
