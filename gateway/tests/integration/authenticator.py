"""An authenticator in software that makes every mistake a test asks for; a real one signs in `tests/pages`."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One discoverable ES256 credential."""

    origin: str
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user_handle: str = ""
    counter: int = 0

    def create(self, options: dict[str, Any], **flaws: Any) -> str:
        """The answer to creation options."""
        self.user_handle = options["user"]["id"]
        public_key = flaws.get("public_key") or cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public_key
        data = self._data(options["rp"]["id"], attested, PRESENT | VERIFIED | ATTESTED, flaws)
        statement = flaws.get("attestation_object") or cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options, flaws)
        return self._answer({"clientDataJSON": encoded(client_data), "attestationObject": encoded(statement)}, flaws)

    def get(self, options: dict[str, Any], **flaws: Any) -> str:
        """The answer to request options."""
        self.counter = flaws.get("counter", self.counter + 1)
        data = self._data(options["rpId"], b"", PRESENT | VERIFIED, flaws)
        client_data = self._client_data("webauthn.get", options, flaws)
        key = flaws.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(flaws.get("signature", signature)),
            "userHandle": flaws.get("user_handle", self.user_handle),
        }
        return self._answer(response, flaws)

    def _data(self, rp_id: str, attested: bytes, usual: int, flaws: dict[str, Any]) -> bytes:
        rp_hash = hashlib.sha256(flaws.get("rp_id", rp_id).encode()).digest()
        return rp_hash + bytes([flaws.get("flags", usual)]) + self.counter.to_bytes(4, "big") + attested

    def _client_data(self, kind: str, options: dict[str, Any], flaws: dict[str, Any]) -> bytes:
        content = {
            "type": flaws.get("kind", kind),
            "challenge": flaws.get("challenge", options["challenge"]),
            "origin": flaws.get("origin", self.origin),
            "crossOrigin": flaws.get("cross_origin", False),
        }
        return json.dumps(content).encode()

    def _answer(self, response: dict[str, Any], flaws: dict[str, Any]) -> str:
        own = encoded(flaws.get("credential_id", self.credential_id))
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": response})
