"""Values keyed by the gateway's pepper: nothing in the database alone lets anybody guess or forge them."""

from __future__ import annotations

import base64
import hashlib
import hmac


class Pepper:
    """Derives and compares keyed values; each purpose has a key of its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._keys: dict[str, bytes] = {}

    def derive(self, purpose: str, *parts: str) -> str:
        """256 bits, base64url, of a purpose and its parts (HMAC-SHA256, RFC 2104)."""
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = hmac.digest(self._secret, purpose.encode(), "sha256")
        # A length before each part keeps ("ab", "c") and ("a", "bc") apart.
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()

    def matches(self, expected: str, purpose: str, *parts: str) -> bool:
        """Whether `expected` was derived from these parts, compared in constant time."""
        return hmac.compare_digest(expected.encode(), self.derive(purpose, *parts).encode())


def fingerprint(value: str) -> str:
    """How a random 256-bit value (a code, a refresh token, a cookie) is stored: its SHA-256, never itself."""
    return hashlib.sha256(value.encode()).hexdigest()
