"""The W3C vectors of eddsa-rdfc-2022, each stage byte for byte."""

import hashlib
import json
from pathlib import Path

import base58
import pytest
from credentials.jsonld.domain import canonical, screen
from credentials.proofs.domain import (
    BadProof,
    canonical_configuration,
    multikey,
    only_proof,
    public_key_of,
    signing_input,
    verify_proof,
    with_proof,
)
from nacl.signing import SigningKey

VECTORS = Path(__file__).parents[1] / "vectors"
STAGES = VECTORS / "eddsa-rdfc-2022"


def text(name: str) -> str:
    return (STAGES / name).read_text()


def document(name: str) -> dict:
    return json.loads(text(name))


@pytest.fixture
def key() -> SigningKey:
    pair = json.loads((VECTORS / "keyPair.json").read_text())
    return SigningKey(base58.b58decode(pair["privateKeyMultibase"][1:])[2:])


def test_the_public_key_reads_and_writes_as_multikey(key: SigningKey) -> None:
    published = json.loads((VECTORS / "keyPair.json").read_text())["publicKeyMultibase"]

    assert public_key_of(published) == bytes(key.verify_key)
    assert multikey(bytes(key.verify_key)) == published


def test_the_unsigned_document_has_the_canonical_form_and_hash_of_the_vector() -> None:
    unsigned = json.loads((VECTORS / "unsigned.json").read_text())
    screen(unsigned)

    form = canonical(unsigned)

    assert form == text("canonDocDataInt.txt")
    assert hashlib.sha256(form.encode()).hexdigest() == text("docHashDataInt.txt")


def test_the_proof_configuration_has_the_canonical_form_and_hash_of_the_vector() -> None:
    configuration = document("proofConfigDataInt.json")

    assert canonical(configuration) == text("proofCanonDataInt.txt")
    assert canonical_configuration(configuration) == text("proofCanonDataInt.txt")
    assert hashlib.sha256(canonical(configuration).encode()).hexdigest() == text("proofHashDataInt.txt")


def test_both_hashes_are_joined_as_in_the_vector() -> None:
    joined = signing_input(text("proofCanonDataInt.txt"), text("canonDocDataInt.txt"))

    assert joined.hex() == text("combinedHashDataInt.txt")


def test_the_signature_and_the_signed_document_are_those_of_the_vector(key: SigningKey) -> None:
    signature = key.sign(bytes.fromhex(text("combinedHashDataInt.txt"))).signature
    options = {k: v for k, v in document("proofConfigDataInt.json").items() if k != "@context"}
    signed = with_proof(json.loads((VECTORS / "unsigned.json").read_text()), options, signature)

    assert signature.hex() == text("sigHexDataInt.txt")
    assert signed["proof"]["proofValue"] == text("sigBTC58DataInt.txt")
    assert signed == document("signedDataInt.json")


def test_the_signed_document_of_the_vector_verifies_and_a_changed_one_does_not(key: SigningKey) -> None:
    signed = document("signedDataInt.json")

    verify_proof(signed, only_proof(signed), bytes(key.verify_key))

    with pytest.raises(BadProof):
        verify_proof({**signed, "name": "Another name"}, only_proof(signed), bytes(key.verify_key))
