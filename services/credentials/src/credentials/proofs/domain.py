"""The cryptosuite eddsa-rdfc-2022: hashing, signing and verifying (VC Data Integrity EdDSA Cryptosuites 1.0, section 3.2)."""

from __future__ import annotations

import binascii
import hashlib
import re
from datetime import datetime
from typing import Any

import base58
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from credentials.jsonld.domain import Json, canonical

CRYPTOSUITE = "eddsa-rdfc-2022"
#: Multicodec of an Ed25519 public key (Multikey, VC Data Integrity section 2.1.1).
ED25519_PUBLIC = b"\xed\x01"
SIGNATURE_BYTES = 64
#: The canonical configuration has one blank node and fixed predicates: only three values ever differ. Canonicalising
#: it anew would cost as much as a small credential; a test compares this text with the canonicaliser's.
_CONFIGURATION = (
    '_:c14n0 <http://purl.org/dc/terms/created> "{created}"^^<http://www.w3.org/2001/XMLSchema#dateTime> .\n'
    "_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://w3id.org/security#DataIntegrityProof> .\n"
    '_:c14n0 <https://w3id.org/security#cryptosuite> "eddsa-rdfc-2022"^^<https://w3id.org/security#cryptosuiteString> .\n'
    "_:c14n0 <https://w3id.org/security#proofPurpose> <https://w3id.org/security#assertionMethod> .\n"
    "_:c14n0 <https://w3id.org/security#verificationMethod> <{verification_method}> .\n"
)
_MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
_METHOD = re.compile(r'^[^\s<>"{}|\\^`]+$')


class BadProof(ValueError):
    """A proof that does not hold; the message says why."""


def moment_text(moment: datetime) -> str:
    """A moment as XMLSchema dateTimeStamp in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def proof_options(created: datetime, verification_method: str) -> Json:
    """The proof without its value."""
    return {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": moment_text(created),
        "verificationMethod": verification_method,
        "proofPurpose": "assertionMethod",
    }


def canonical_configuration(options: Json) -> str:
    """The canonical N-Quads of `proof_options` under the VC 2.0 context."""
    created, method = options["created"], options["verificationMethod"]
    if not _MOMENT.match(created) or not _METHOD.match(method):
        raise ValueError("these options are not what proof_options makes")
    return _CONFIGURATION.format(created=created, verification_method=method)


def signing_input(canonical_configuration: str, canonical_document: str) -> bytes:
    """What is signed: the hash of the configuration, then the hash of the document (section 3.2.4)."""
    return (
        hashlib.sha256(canonical_configuration.encode()).digest() + hashlib.sha256(canonical_document.encode()).digest()
    )


def with_proof(document: Json, options: Json, signature: bytes) -> Json:
    """The signed document."""
    return {**document, "proof": {**options, "proofValue": "z" + base58.b58encode(signature).decode()}}


def multikey(public_key: bytes) -> str:
    """An Ed25519 public key as Multikey text (`z6Mk…`)."""
    return "z" + base58.b58encode(ED25519_PUBLIC + public_key).decode()


def public_key_of(multikey_text: str) -> bytes:
    """The Ed25519 key of a Multikey text. Raises BadProof."""
    raw = _base58btc(multikey_text)
    if len(raw) != 34 or not raw.startswith(ED25519_PUBLIC):  # noqa: PLR2004  (2 bytes multicodec, 32 bytes key)
        raise BadProof("The key is no Ed25519 public key.")
    return raw[2:]


def _base58btc(text: str) -> bytes:
    if not text.startswith("z") or len(text) > 128:  # noqa: PLR2004  (a signature takes at most 89 characters)
        raise BadProof("This is not multibase base58btc.")
    try:
        return base58.b58decode(text[1:])
    except (ValueError, binascii.Error) as error:
        raise BadProof("This is not multibase base58btc.") from error


def only_proof(document: Json) -> Json:
    """The one proof of a signed document, of the suite and purpose understood here. Raises BadProof."""
    proofs = document.get("proof", [])
    proofs = proofs if isinstance(proofs, list) else [proofs]
    if len(proofs) != 1 or not isinstance(proofs[0], dict):
        raise BadProof("The document needs exactly one proof.")
    proof: Json = proofs[0]
    expected = {"type": "DataIntegrityProof", "cryptosuite": CRYPTOSUITE, "proofPurpose": "assertionMethod"}
    for member, value in expected.items():
        if proof.get(member) != value:
            raise BadProof(f"The proof's {member} is not {value}.")
    if not isinstance(proof.get("verificationMethod"), str) or not isinstance(proof.get("proofValue"), str):
        raise BadProof("The proof names no key or has no value.")
    if "@context" in proof:
        raise BadProof("The proof brings a context of its own.")
    return proof


def without_proof(document: Json) -> Json:
    """The part of a document that its proof signs."""
    return {key: value for key, value in document.items() if key != "proof"}


def verify_proof(document: Json, proof: Json, public_key: bytes, text: str | None = None) -> None:
    """Check the signature of a screened document (section 3.2.2). Raises BadProof or RefusedDocument.

    `text` is the canonical form without the proof, when the caller has it.
    """
    text = canonical(without_proof(document)) if text is None else text
    configuration: dict[str, Any] = {key: value for key, value in proof.items() if key != "proofValue"}
    configuration["@context"] = document.get("@context")
    signature = _base58btc(proof["proofValue"])
    if len(signature) != SIGNATURE_BYTES:
        raise BadProof("The proof value has the wrong length.")
    signed = signing_input(canonical(configuration), text)
    try:
        VerifyKey(public_key).verify(signed, signature)
    except BadSignatureError as error:
        raise BadProof("The content is not what was signed with this key.") from error
