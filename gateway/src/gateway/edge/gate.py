"""The policy of tokens: verified and remembered; the services verify them again and decide about scopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cme_kit.auth import (
    InsufficientScope,
    InvalidDpopProof,
    Principal,
    TokenVerifier,
    Unauthenticated,
    UseDpopNonce,
)
from cme_kit.dpop import Proof

from gateway.clients.domain import Client, Profile
from gateway.clients.service import Clients
from gateway.edge.limits import Noted
from gateway.oauth.proofs import ProofUse
from gateway.oauth.revocations import Revocations

#: A scope of every service.
OPERATIONS = "operations:"


@dataclass(frozen=True)
class Admission:
    """Who may pass on: the caller and its client."""

    principal: Principal
    client: Client
    proof: Proof | None = None
    #: The nonce of the client's next proof, when it has an older one or none.
    next_nonce: str | None = None


class Gate:
    """Decides who may pass on to a service."""

    def __init__(self, verifier: TokenVerifier, clients: Clients, revocations: Revocations, proofs: ProofUse) -> None:
        self._verifier = verifier
        self._clients = clients
        self._revocations = revocations
        self._proofs = proofs

    async def admit(self, method: str, raw_path: bytes, noted: Noted, *, public: bool) -> Admission | None:
        """The caller, or None without a token on a path that is `public`.

        `raw_path` is as the client sent it. Raises Unauthenticated or Unavailable.
        """
        authorization = [value.decode("latin-1") for value in noted.get(b"authorization", ())]
        if public and not authorization:
            return None
        proofs = [value.decode("latin-1") for value in noted.get(b"dpop", ())]
        return await self.admission(authorization, proofs, method, raw_path.decode("latin-1"))

    async def admission(self, authorization: Sequence[str], proofs: Sequence[str], method: str, path: str) -> Admission:
        """The caller by the Authorization and DPoP headers. Raises Unauthenticated or Unavailable."""
        principal, proof = await self._verifier.admit(authorization, proofs, method, path)
        metadata, scheme = self._verifier.metadata, principal.scheme
        client = await self._clients.active(principal.client_id)
        if client is None:
            raise Unauthenticated("The client of this token is gone or disabled.", scheme=scheme, metadata=metadata)
        if self._revocations.is_revoked(principal.token_id):
            raise Unauthenticated("This token was revoked; ask for a new one.", scheme=scheme, metadata=metadata)
        next_nonce = None
        if proof is not None:
            if not self._proofs.accepts(proof, required=client.profile is Profile.FAPI):
                raise UseDpopNonce(self._proofs.nonce(), metadata)
            if not self._proofs.is_new(proof):
                raise InvalidDpopProof(
                    "This proof was used before; make a new one for each request.", metadata=metadata
                )
            next_nonce = None if proof.nonce == self._proofs.nonce() else self._proofs.nonce()
        return Admission(principal, client, proof, next_nonce)


class OwnGate:
    """The same gate in front of the gateway's own handlers, which say with `Requires` who may call them."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def admit(
        self, authorization: Sequence[str], proofs: Sequence[str], method: str, path: str
    ) -> tuple[Principal, Proof | None]:
        """As `TokenVerifier.admit`, for clients that are active, tokens that hold and proofs that are new."""
        admission = await self._gate.admission(authorization, proofs, method, path)
        return admission.principal, admission.proof


def check_scope(principal: Principal, service: str) -> None:
    """Refuse who has no scope of a service at all; the service asks for the exact one. Raises InsufficientScope."""
    prefixes = (f"{service}.", OPERATIONS)
    if not any(scope.startswith(prefixes) for scope in principal.scopes):
        raise InsufficientScope(f"{service}.*", scheme=principal.scheme)
