"""Proofs of possession at the authorization server's own endpoints (RFC 9449 sections 5, 8 and 10)."""

from __future__ import annotations

from datetime import UTC, datetime

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit.clock import Clock
from cme_kit.dpop import InvalidProof, Proof, check_proof

from gateway.clients.domain import Client, Profile
from gateway.oauth.once import UsedOnce
from gateway.oauth.proofs import ProofUse


class InvalidDpopProof(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """The proof does not hold, or there has to be one (RFC 9449 section 5)."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """The proof needs the nonce that comes with this answer (RFC 9449 section 8)."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__(description="Send the proof again with the nonce in DPoP-Nonce.")
        self._nonce = nonce

    def get_headers(self) -> list[tuple[str, str]]:
        """The error's headers, the nonce among them."""
        return [*super().get_headers(), ("DPoP-Nonce", self._nonce)]


class Possession:
    """Checks the proofs that come with requests of clients."""

    def __init__(self, issuer: str, proofs: ProofUse, once: UsedOnce, clock: Clock) -> None:
        self._issuer = issuer
        self._proofs = proofs
        self._once = once
        self._clock = clock

    def check(self, client: Client | None, sent: list[str], path: str) -> Proof | None:
        """The proof of a request to `path`, or None without one. Raises InvalidDpopProof or UseDpopNonce."""
        if not sent:
            if client is not None and client.binds_tokens:
                raise InvalidDpopProof(description="This client's tokens are bound to its key. Send a DPoP proof.")
            return None
        try:
            proof = check_proof(sent, "POST", self._issuer + path, self._clock.now().timestamp())
        except InvalidProof as error:
            raise InvalidDpopProof(description=str(error)) from error
        if not self._proofs.accepts(proof, required=client is not None and client.profile is Profile.FAPI):
            raise UseDpopNonce(self._proofs.nonce())
        return proof

    async def use(self, proof: Proof | None) -> None:
        """Use up a proof, on every replica. Raises InvalidDpopProof when it was used before."""
        if proof is None:
            return
        expires = datetime.fromtimestamp(proof.expires, UTC)
        if not await self._once.claim(f"dpop:{proof.thumbprint}", proof.proof_id, expires):
            raise InvalidDpopProof(description="This proof was used before. Make a new one for each request.")

    def next_nonce(self, proof: Proof | None) -> str | None:
        """The nonce to hand out with the answer to a request with a proof that has an older one or none."""
        nonce = self._proofs.nonce()
        return nonce if proof is not None and proof.nonce != nonce else None
