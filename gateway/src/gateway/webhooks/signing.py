"""Signing keys of webhooks and the signatures they make (Standard Webhooks 1.0, "Signature scheme")."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from cme_kit.ids import new_id
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.peppered import Pepper
from gateway.webhooks.domain import Signing, SigningKey

KEY_BYTES = 32
NONCE_BYTES = 12
SECRET_PREFIX, PUBLIC_PREFIX = "whsec_", "whpk_"
_SEAL, _ONCE, _LISTENING = "webhook key seal", "webhook secret", "webhook listening key"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def public_key_of(private: bytes) -> str:
    """`whpk_…` of an Ed25519 private key (its 32-byte seed)."""
    return PUBLIC_PREFIX + _base64(Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())


def signature(signing: Signing, key: bytes, message_id: str, timestamp: int, body: str) -> str:
    """The signature of one key, its version in front: `v1,…` or `v1a,…`."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    if signing is Signing.SYMMETRIC:
        return f"{signing.value},{_base64(hmac.digest(key, content, hashlib.sha256))}"
    return f"{signing.value},{_base64(Ed25519PrivateKey.from_private_bytes(key).sign(content))}"


def headers_of(signatures: Sequence[str], message_id: str, timestamp: int) -> dict[str, str]:
    """The headers of a delivery."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


class Keys:
    """Makes keys, keeps them sealed under the pepper, and signs with them."""

    def __init__(self, pepper: Pepper) -> None:
        self._pepper = pepper
        self._seal = AESGCM(self._derived(_SEAL))

    def secret(self, place: str, once_key: str | None) -> bytes:
        """A new key; derived from an idempotency key when there is one, so that a repeated request shows it again."""
        return secrets.token_bytes(KEY_BYTES) if once_key is None else self._derived(_ONCE, place, once_key)

    def listening(self, client_id: str) -> bytes:
        """The key that signs what a client listens to; always the same."""
        return self._derived(_LISTENING, client_id)

    def make(self, webhook_id: str, signing: Signing, key: bytes, now: datetime) -> SigningKey:
        """A key as it is stored."""
        key_id = new_id("whkey")
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, key, f"{webhook_id} {key_id}".encode())
        public = public_key_of(key) if signing is Signing.ASYMMETRIC else None
        return SigningKey(key_id, signing, _base64(sealed), public, now)

    def headers(
        self, webhook_id: str, keys: Sequence[SigningKey], message_id: str, body: str, now: datetime
    ) -> dict[str, str]:
        """The headers of a delivery, with a signature of each key in use, the newest first."""
        timestamp = int(now.timestamp())
        signatures = [
            signature(key.signing, self._opened(webhook_id, key), message_id, timestamp, body)
            for key in reversed(keys)
            if key.signs(now)
        ]
        return headers_of(signatures, message_id, timestamp)

    def _opened(self, webhook_id: str, key: SigningKey) -> bytes:
        sealed = base64.b64decode(key.sealed)
        context = f"{webhook_id} {key.key_id}".encode()
        return self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)

    def _derived(self, purpose: str, *parts: str) -> bytes:
        return base64.urlsafe_b64decode(self._pepper.derive(purpose, *parts) + "=")


def shown_secret(key: bytes) -> str:
    """`whsec_…` of a shared secret."""
    return SECRET_PREFIX + _base64(key)
