"""Proofs of possession of a key (RFC 9449): a token that is bound to a key is of no use without one."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

#: Asymmetric algorithms of FAPI 2.0 Security Profile section 5.4.1.
ALGORITHMS = ["ES256", "PS256", "EdDSA", "Ed25519"]
#: How old a proof may be, and how far a client's clock may be ahead, seconds.
LIFETIME = 60
AHEAD = 15
LONGEST_PROOF = 4096
LONGEST_ID = 200
SMALLEST_RSA = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEYS: dict[str, type[ECKey | RSAKey | OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_PORTS = {"http": 80, "https": 443}


class _Registry(jws.JWSRegistry):
    #: An RSA key in the header is longer than the 512 bytes of the library's default.
    max_header_length = LONGEST_PROOF


_REGISTRY = _Registry(algorithms=ALGORITHMS)


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
        header = dict(jws.extract_compact(proofs[0].encode(), registry=_REGISTRY).headers())
        key = _key(header)
        claims = jwt.decode(proofs[0], key, registry=_REGISTRY).claims
    except InvalidProof:
        raise
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise InvalidProof("The proof is no JWT signed with the key in its header.") from error
    return _checked(claims, key.thumbprint(), method, url, now, token)


def _key(header: dict[str, Any]) -> ECKey | RSAKey | OKPKey:
    if header.get("typ") != "dpop+jwt":
        raise InvalidProof("The proof's typ is dpop+jwt.")
    if header.get("alg") not in ALGORITHMS:
        raise InvalidProof(f"Sign the proof with {', '.join(ALGORITHMS)}.")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or _PRIVATE & set(jwk):
        raise InvalidProof("Put the public key, and only it, into the proof's jwk header.")
    kind = _KEYS.get(str(jwk.get("kty")))
    if kind is None:
        raise InvalidProof("The key of a proof is an EC, RSA or OKP key.")
    key = kind.import_key(jwk)
    if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA:
        raise InvalidProof(f"An RSA key has {SMALLEST_RSA} bits or more.")
    return key


def _checked(claims: dict[str, Any], thumbprint: str, method: str, url: str, now: float, token: str | None) -> Proof:
    proof_id, issued, nonce = claims.get("jti"), claims.get("iat"), claims.get("nonce")
    if not isinstance(proof_id, str) or not 0 < len(proof_id) <= LONGEST_ID:
        raise InvalidProof(f"Give each proof a jti of its own, of at most {LONGEST_ID} characters.")
    if claims.get("htm") != method:
        raise InvalidProof(f"The proof's htm has to be {method}.")
    if not isinstance(claims.get("htu"), str) or _comparable(claims["htu"]) != _comparable(url):
        raise InvalidProof(f"The proof's htu has to be {url}.")
    if isinstance(issued, bool) or not isinstance(issued, (int, float)) or not -AHEAD <= now - issued <= LIFETIME:
        raise InvalidProof(f"The proof's iat has to be now; it is good for {LIFETIME} seconds.")
    if token is not None and claims.get("ath") != token_hash(token):
        raise InvalidProof("The proof's ath has to be the hash of the access token.")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidProof("The proof's nonce is a string.")
    return Proof(thumbprint, proof_id, nonce, issued + LIFETIME + 1)


def _comparable(url: str) -> tuple[str, str | None, int | None, str]:
    """Scheme, host, port and path as RFC 9449 section 4.3 compares them (RFC 3986 section 6.2.2 and 6.2.3)."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.path or "/"
    except ValueError as error:
        raise InvalidProof("The proof's htu is no address.") from error
