"""The issuer: its DID, its keys, and signing documents in its name."""

from __future__ import annotations

from datetime import datetime

from cme_kit.clock import Clock

from credentials.jsonld.domain import Canonicaliser, Json
from credentials.keys.domain import Signer, did_document, did_of, verification_method
from credentials.keys.repository import KeyRepository
from credentials.proofs.domain import (
    canonical_configuration,
    multikey,
    proof_options,
    public_key_of,
    signing_input,
    with_proof,
)

NAME = "Cluster Manager Education"


class Issuer:
    """Who issues: everything that is signed here is signed by this."""

    def __init__(self, public_url: str, signer: Signer, keys: KeyRepository, clock: Clock) -> None:
        self.public_url = public_url
        self.did = did_of(public_url)
        self._signer = signer
        self._keys = keys
        self._clock = clock
        self._multikey = multikey(signer.public_key)
        self._canonicaliser = Canonicaliser()

    async def publish_key(self) -> None:
        """Keep the signing key among those of the DID document, before anything is signed with it."""
        await self._keys.add(self._multikey, self._clock.now())

    @property
    def profile(self) -> Json:
        """The issuer as an Open Badges profile (OB 3.0 section B.1.16)."""
        return {"id": self.did, "type": ["Profile"], "name": NAME, "url": self.public_url}

    async def did_document(self) -> Json:
        """The DID document with all keys."""
        return did_document(self.did, await self._keys.all())

    async def key_of(self, method: str) -> bytes | None:
        """The public key of one of this issuer's verification methods, or None."""
        known = {verification_method(self.did, key): key for key in await self._keys.all()}
        return public_key_of(known[method]) if method in known else None

    def canonical(self, document: Json) -> str:
        """The canonical form of a document that is to be signed. Raises RefusedDocument when a part would be lost."""
        return self._canonicaliser.canonical(document)

    async def sign(self, document: Json, canonical: str, created: datetime) -> Json:
        """The document with its proof; Ed25519 is deterministic, so signing again gives the same bytes."""
        options = proof_options(created, verification_method(self.did, self._multikey))
        signature = await self._signer.sign(signing_input(canonical_configuration(options), canonical))
        return with_proof(document, options, signature)
