"""The issuer as a DID, and what signs for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nacl.signing import SigningKey

from credentials.jsonld.domain import Json

CONTEXTS = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]


class UnusableKey(ValueError):
    """The key file holds no Ed25519 private key."""


class Signer(Protocol):
    """Signs bytes with Ed25519: a key file here; a KMS or HSM implements the same two members."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature (RFC 8032 section 5.1.6)."""
        ...


class KeyFileSigner:
    """Signs with a key that is read from a PEM file once."""

    def __init__(self, path: Path) -> None:
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise UnusableKey(f"CME_SIGNING_KEY_FILE: {path} cannot be read as an unencrypted PEM key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableKey(f"CME_SIGNING_KEY_FILE: {path} holds no Ed25519 key")
        # PyNaCl signs in 19 µs where cryptography takes 31.
        self._key = SigningKey(key.private_bytes_raw())

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return bytes(self._key.verify_key)

    async def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(message).signature


def did_of(public_url: str) -> str:
    """The did:web of what is served at an address: below a path its document is `did.json` there (did:web section 2.5)."""
    parts = urlsplit(public_url)
    if not parts.netloc or parts.query or parts.fragment:
        raise ValueError("CME_PUBLIC_URL has to be a scheme and a host, such as https://cme.example")
    places = [parts.netloc, *(segment for segment in parts.path.split("/") if segment)]
    return "did:web:" + ":".join(quote(place, safe="") for place in places)


def verification_method(did: str, multikey: str) -> str:
    """The id of a key in the DID document."""
    return f"{did}#{multikey}"


def did_document(did: str, multikeys: Sequence[str]) -> Json:
    """The DID document with every key that ever signed (DID Core section 5; Multikey)."""
    methods = [
        {"id": verification_method(did, key), "type": "Multikey", "controller": did, "publicKeyMultibase": key}
        for key in multikeys
    ]
    return {
        "@context": CONTEXTS,
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }
