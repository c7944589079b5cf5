"""Who is calling: access tokens of the gateway (RFC 9068), verified again in every service.

Being behind the gateway is no credential. A handler's signature states its rule:
`principal: Annotated[Principal, Requires("enrolment.calls:write")]`, or `_: Annotated[None, Public()]`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.jws import extract_compact

from cme_kit import dpop, jose
from cme_kit.dpop import InvalidProof, Proof, check_proof
from cme_kit.issuer_keys import KEEP_SECONDS, REFETCH_SECONDS, IssuerKeys, KeySource
from cme_kit.problems import ServiceError

ALGORITHMS = ["ES256"]
TOKEN_TYPE = "at+jwt"
LEEWAY_SECONDS = 5
#: Each takes about a kilobyte; more callers than this at once pay for a signature check each time.
CACHED_TOKENS = 16_384
SEND_A_TOKEN = "Send an access token as `Authorization: Bearer …`, or `DPoP …` when it is bound to a key."
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Principal:
    """Who calls: a person (`subject` is per_…) or a partner's system (`subject` is its client id)."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    organisation_id: str | None = None
    #: `jti` of the token, by which it can be revoked.
    token_id: str | None = None
    #: The key that the token is bound to (`cnf.jkt`, RFC 9449 section 6.1).
    key_thumbprint: str | None = None
    #: The API that the token opens.
    audience: str | None = None
    #: When the token expires, seconds since the epoch.
    expires: float | None = None

    @property
    def scheme(self) -> str:
        """How its token is sent."""
        return "Bearer" if self.key_thumbprint is None else "DPoP"

    @property
    def is_person(self) -> bool:
        """Whether a person acts, not a system."""
        return self.subject.startswith("per_")

    def may(self, scope: str) -> bool:
        """Whether the token was granted a scope."""
        return scope in self.scopes


def _challenge(scheme: str, metadata: str, **parameters: str) -> str:
    """A `WWW-Authenticate` value (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1)."""
    given = {**parameters, **({"algs": " ".join(dpop.ALGORITHMS)} if scheme == "DPoP" else {})}
    if metadata:
        given["resource_metadata"] = metadata
    listed = ", ".join(f'{name}="{value}"' for name, value in given.items())
    return f"{scheme} {listed}" if listed else scheme


class Unauthenticated(ServiceError):
    """No token, or one that does not hold (RFC 6750 section 3)."""

    code, status = "invalid_token", 401

    def __init__(self, detail: str, *, presented: bool = True, scheme: str = "Bearer", metadata: str = "") -> None:
        """`metadata` is the address of the API's own metadata; without a token the client is told every scheme."""
        if presented:
            challenge = _challenge(scheme, metadata, error=self.code)
        else:
            challenge = f"{_challenge('Bearer', metadata)}, {_challenge('DPoP', metadata)}"
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidDpopProof(Unauthenticated):
    """A token that is bound to a key, without a proof of that key that holds (RFC 9449 section 7.1)."""

    code = "invalid_dpop_proof"

    def __init__(self, detail: str, *, metadata: str = "") -> None:
        super().__init__(detail, scheme="DPoP", metadata=metadata)


class UseDpopNonce(Unauthenticated):
    """The proof needs the nonce that comes with this answer (RFC 9449 section 9)."""

    code = "use_dpop_nonce"

    def __init__(self, nonce: str, metadata: str) -> None:
        super().__init__("Send the proof again with the nonce in DPoP-Nonce.", scheme="DPoP", metadata=metadata)
        self.headers["DPoP-Nonce"] = nonce


class InsufficientScope(ServiceError):
    """A valid token without the scope that the endpoint needs (RFC 6750 section 3.1)."""

    code, status = "insufficient_scope", 403

    def __init__(self, scope: str, *, scheme: str = "Bearer") -> None:
        challenge = _challenge(scheme, "", error=self.code, scope=scope.partition(" or ")[0])
        super().__init__(f"Ask for a token with the scope {scope}.", headers={"WWW-Authenticate": challenge})


class TokenVerifier:
    """Verifies access tokens against the gateway's keys; verified tokens are remembered until they expire."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        read_key_set: KeySource,
        also: Sequence[str] = (),
        refetch_seconds: float = REFETCH_SECONDS,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        """`audience` is the API that the tokens must be for, or one of `also` (RFC 9068 section 4); all are base URLs.

        The last two are those of `IssuerKeys`.
        """
        self._issuer = issuer
        self._audiences = frozenset({audience, *also})
        parts = urlsplit(audience)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        #: Where this API describes itself (RFC 9728 section 3.1).
        self.metadata = f"{self._origin}/.well-known/oauth-protected-resource{parts.path}"
        self._keys = IssuerKeys(read_key_set, self._forget, refetch_seconds, keep_seconds)
        self._verified: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def admit(
        self, authorization: Sequence[str], proofs: Sequence[str], method: str, path: str
    ) -> tuple[Principal, Proof | None]:
        """The caller of a request, by its Authorization and DPoP headers, with the proof of a token bound to a key.

        `path` is the raw path that the client asked for. Raises Unauthenticated or Unavailable.
        """
        if not authorization:
            raise self._refuse(SEND_A_TOKEN, presented=False)
        if len(authorization) > 1:
            raise self._refuse("Send one Authorization header.")
        scheme, _, token = authorization[0].partition(" ")
        token = token.strip()
        if scheme.lower() not in ("bearer", "dpop") or not token:
            raise self._refuse(SEND_A_TOKEN)
        principal = await self.verify(token)
        if principal.key_thumbprint is None:
            if scheme.lower() == "dpop":
                raise self._refuse("This token is not bound to a key; send it as `Authorization: Bearer …`.")
            return principal, None
        if scheme.lower() != "dpop":
            raise self._refuse("This token is bound to a key; send it as `Authorization: DPoP …`.", scheme="DPoP")
        try:
            proof = check_proof(proofs, method, self._origin + path, time.time(), token)
        except InvalidProof as error:
            raise InvalidDpopProof(str(error), metadata=self.metadata) from error
        if proof.thumbprint != principal.key_thumbprint:
            raise self._refuse("The token is bound to another key than the proof's.", scheme="DPoP")
        return principal, proof

    async def verify(self, token: str) -> Principal:
        """The caller that a token names. Raises Unauthenticated, or Unavailable when no key could be read."""
        digest = hashlib.sha256(token.encode()).digest()
        now = time.time()
        self._keys.freshen(now)
        if (known := self._verified.get(digest)) is not None and known[0] > now:
            return known[1]
        claims = await self._decode(token)
        audience = claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:
            audience = audience[0]
        if claims.get("iss") != self._issuer or not isinstance(audience, str) or audience not in self._audiences:
            raise self._refuse("This token was issued by or for somebody else.")
        expires = claims.get("exp")
        if not isinstance(expires, (int, float)) or expires + LEEWAY_SECONDS <= now:
            raise self._refuse("This token has expired; ask for a new one.")
        subject, client_id = claims.get("sub"), claims.get("client_id")
        if not isinstance(subject, str) or not isinstance(client_id, str):
            raise self._refuse("This is no access token.")
        scopes = frozenset(str(claims.get("scope", "")).split())
        bound_to = (claims.get("cnf") or {}).get("jkt")
        ids = (claims.get("org"), claims.get("jti"))
        principal = Principal(subject, client_id, scopes, *ids, bound_to, audience, expires)
        self._verified[digest] = (expires, principal)
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)
        return principal

    def _forget(self) -> None:
        self._verified.clear()

    def _refuse(self, detail: str, *, presented: bool = True, scheme: str = "Bearer") -> Unauthenticated:
        return Unauthenticated(detail, presented=presented, scheme=scheme, metadata=self.metadata)

    async def _decode(self, token: str) -> dict[str, Any]:
        try:
            header = dict(extract_compact(token.encode()).headers())
            key = await self._keys.find(str(header.get("kid")))
            if header.get("typ") != TOKEN_TYPE or key is None:
                raise self._refuse("This is no access token of this issuer.")
            return dict(jwt.decode(token, key, algorithms=ALGORITHMS).claims)
        except jose.WRONG as error:
            raise self._refuse("This token is not valid.") from error


class Admits(Protocol):
    """Who knows the caller of a request: the verifier of tokens, or what asks more of them."""

    async def admit(
        self, authorization: Sequence[str], proofs: Sequence[str], method: str, path: str
    ) -> tuple[Principal, Proof | None]:
        """As `TokenVerifier.admit`."""
        ...


class Requirement:
    """The rule of one endpoint: callable by FastAPI, readable by tests."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = scopes

    @property
    def scope(self) -> str | None:
        """The scope to ask for first; None when the endpoint is public."""
        return self.scopes[0] if self.scopes else None

    async def __call__(self, request: Request) -> Principal | None:
        """The caller. Raises Unauthenticated or InsufficientScope."""
        if not self.scopes:
            return None
        verifier: Admits = request.app.state.verifier
        headers = request.headers
        path = request.scope["raw_path"].decode("latin-1")
        principal, _ = await verifier.admit(
            headers.getlist("authorization"), headers.getlist("dpop"), request.method, path
        )
        if not any(principal.may(scope) for scope in self.scopes):
            raise InsufficientScope(" or ".join(self.scopes), scheme=principal.scheme)
        request.state.principal = principal
        return principal


def Requires(scope: str, *or_scopes: str) -> Any:  # noqa: N802  (reads as a type in signatures)
    """Only callers whose token has `scope`, or one of `or_scopes`."""
    return Depends(Requirement(scope, *or_scopes))


def Public() -> Any:  # noqa: N802
    """Everybody, without a token."""
    return Depends(Requirement())
