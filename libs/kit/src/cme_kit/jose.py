"""Keys and signed JWTs that others send: which are taken (FAPI 2.0 Security Profile section 5.4.1), and nothing that fails.

What comes in was made by anybody: whatever is wrong with it is one error, not one for each way of being wrong.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

ALGORITHMS = ["ES256", "PS256", "EdDSA", "Ed25519"]
LONGEST_HEADER = 4096
SMALLEST_RSA = 2048
#: A signature by a larger key, or with a larger exponent, costs us more than it is worth to anybody.
LARGEST_RSA = 4096
LARGEST_EXPONENT = 2**32
PRIVATE_PARTS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
PublicKey: TypeAlias = ECKey | RSAKey | OKPKey
_KINDS: dict[str, type[PublicKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}
#: What the library raises for odd members, and JSON that is nested too deep.
WRONG = (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


class InvalidJwt(ValueError):
    """A JWT that is not signed as it should be, or none at all."""


class InvalidKey(ValueError):
    """A JWK that is no public key for one of the algorithms; the message says what to change."""


class _Registry(jws.JWSRegistry):
    #: An RSA key in the header is longer than the 512 bytes of the library's default.
    max_header_length = LONGEST_HEADER


#: A header that nobody knows is ignored unless it is critical (RFC 7515 section 4).
_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT that nobody has verified. Raises InvalidJwt."""
    try:
        parts = jws.extract_compact(token.encode(), registry=_REGISTRY)
        header, claims = dict(parts.headers()), json.loads(parts.payload or b"")
    except WRONG as error:
        raise InvalidJwt("This is no JWT.") from error
    if not isinstance(claims, dict):
        raise InvalidJwt("The claims of the JWT are no object.")
    return header, claims


def verified(token: str, key: PublicKey | KeySet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT that one of the keys signed. Raises InvalidJwt."""
    try:
        decoded = jwt.decode(token, key, registry=_REGISTRY)
    except WRONG as error:
        raise InvalidJwt("The JWT is not signed with this key, by one of the algorithms.") from error
    return dict(decoded.header), dict(decoded.claims)


def public_key(jwk: object) -> PublicKey:
    """The key of a JWK (RFC 7517 section 4). Raises InvalidKey."""
    if not isinstance(jwk, dict) or PRIVATE_PARTS & set(jwk):
        raise InvalidKey("send public keys only; keep the private part to yourself")
    kind = _KINDS.get(str(jwk.get("kty")))
    if kind is None:
        raise InvalidKey("use EC, RSA or OKP keys")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        raise InvalidKey(f"use keys for signatures with {', '.join(ALGORITHMS)}")
    try:
        key = kind.import_key(jwk)
        if isinstance(key, RSAKey):
            size, exponent = key.public_key.key_size, key.public_key.public_numbers().e
        else:
            curve = key.curve_name
    except WRONG as error:
        raise InvalidKey("one of the keys is no JWK") from error
    if isinstance(key, RSAKey):
        if not SMALLEST_RSA <= size <= LARGEST_RSA or exponent >= LARGEST_EXPONENT:
            raise InvalidKey(f"an RSA key has {SMALLEST_RSA} to {LARGEST_RSA} bits and a small exponent")
    elif curve != _CURVES[str(jwk["kty"])]:
        raise InvalidKey("the curve of a key is P-256 or Ed25519")
    return key
