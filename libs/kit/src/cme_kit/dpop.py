"""Proofs of possession of a key (RFC 9449): a token that is bound to a key is of no use without one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cme_kit import jose
from cme_kit.jose import InvalidJwt, InvalidKey, PublicKey

ALGORITHMS = jose.ALGORITHMS
#: How old a proof may be, and how far a client's clock may be ahead, seconds.
LIFETIME = 60
AHEAD = 15
LONGEST_PROOF = 4096
LONGEST_ID = 200
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class InvalidProof(ValueError):
    """A proof that does not hold; the message says what to change."""


@dataclass(frozen=True)
class Proof:
    """A proof that holds: whose key, and what makes it a one-use one."""

    thumbprint: str
    proof_id: str
    nonce: str | None
    #: When it is too old to be used again, seconds since the epoch.
    expires: float


def token_hash(token: str) -> str:
    """`ath`: the base64url SHA-256 of an access token (RFC 9449 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def check_proof(proofs: Sequence[str], method: str, url: str, now: float, token: str | None = None) -> Proof:
    """The proof of a request to `url` (query and fragment do not count), with `token` when one goes with it.

    Signature, type, key, method, address, age and token are checked (RFC 9449 section 4.3). Whether it was used before
    and its nonce are the caller's to check. Raises InvalidProof.
    """
    if len(proofs) != 1:
        raise InvalidProof("Send one DPoP header with a proof.")
    if len(proofs[0]) > LONGEST_PROOF:
        raise InvalidProof(f"A proof may have {LONGEST_PROOF} characters.")
    try:
        header, _ = jose.unverified(proofs[0])
        key = _key(header)
        _, claims = jose.verified(proofs[0], key)
    except InvalidJwt as error:
        raise InvalidProof("The proof is no JWT signed with the key in its header.") from error
    return _checked(claims, key.thumbprint(), method, url, now, token)


def _key(header: dict[str, Any]) -> PublicKey:
    if header.get("typ") != "dpop+jwt":
        raise InvalidProof("The proof's typ is dpop+jwt.")
    if header.get("alg") not in ALGORITHMS:
        raise InvalidProof(f"Sign the proof with {', '.join(ALGORITHMS)}.")
    try:
        return jose.public_key(header.get("jwk"))
    except InvalidKey as error:
        raise InvalidProof(f"Put your public key into the proof's jwk header: {error}.") from error


def _checked(claims: dict[str, Any], thumbprint: str, method: str, url: str, now: float, token: str | None) -> Proof:
    proof_id, issued, nonce = claims.get("jti"), claims.get("iat"), claims.get("nonce")
    if not isinstance(proof_id, str) or not 0 < len(proof_id) <= LONGEST_ID or not proof_id.isprintable():
        raise InvalidProof(f"Give each proof a jti of its own, of at most {LONGEST_ID} printable characters.")
    if claims.get("htm") != method:
        raise InvalidProof(f"The proof's htm has to be {method}.")
    if not isinstance(claims.get("htu"), str) or _comparable(claims["htu"]) != _comparable(url):
        raise InvalidProof(f"The proof's htu has to be {url}.")
    if isinstance(issued, bool) or not isinstance(issued, (int, float)) or not now - LIFETIME <= issued <= now + AHEAD:
        raise InvalidProof(f"The proof's iat has to be now; it is good for {LIFETIME} seconds.")
    if token is not None and claims.get("ath") != token_hash(token):
        raise InvalidProof("The proof's ath has to be the hash of the access token.")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidProof("The proof's nonce is a string.")
    return Proof(thumbprint, proof_id, nonce, issued + LIFETIME + 1)


def _comparable(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, authority, port and path as RFC 9449 section 4.3 compares them (RFC 3986 sections 6.2.2.1, .2 and 6.2.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port is not None else _PORTS.get(parts.scheme)
    except ValueError as error:
        raise InvalidProof("The proof's htu is no address.") from error
    # A user part is no part of an address of ours, so it stays and makes another one of it.
    user, at, _ = parts.netloc.rpartition("@")
    return parts.scheme, f"{user}{at}{parts.hostname}", port, _ESCAPE.sub(_normal_escape, parts.path or "/")


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else f"%{escape[1].upper()}"
