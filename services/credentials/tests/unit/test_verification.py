"""Verification without a database: tampered, foreign and hostile documents get checks, never an error."""

import copy
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import base58
import pytest
from cme_kit.clock import SystemClock
from credentials.jsonld.domain import canonical
from credentials.keys.domain import KeyFileSigner
from credentials.keys.service import Issuer
from credentials.proofs.domain import canonical_configuration, multikey, proof_options, signing_input, with_proof
from credentials.status.repository import StatusList
from credentials.status.service import StatusLists
from credentials.verification.service import Verification
from nacl.signing import SigningKey

Verify = Callable[[dict[str, Any]], Awaitable[dict[str, str]]]


class KeysInMemory:
    def __init__(self) -> None:
        self.keys: list[str] = []

    async def add(self, key: str, _at: datetime) -> None:
        self.keys.append(key)

    async def all(self) -> list[str]:
        return self.keys


class ListsInMemory:
    def __init__(self) -> None:
        self.lists: dict[int, StatusList] = {}

    async def highest(self) -> int:
        return max(self.lists, default=0)

    async def first_after_restoration(self) -> int:
        return 0

    async def find(self, number: int, session: object = None) -> StatusList | None:
        return self.lists.get(number)

    async def create(self, number: int, signed: str) -> None:
        self.lists.setdefault(number, StatusList(number, (), signed))

    async def revoke(self, number: int, index: int, signed: str, session: object) -> None:
        self.lists[number] = StatusList(number, (*self.lists[number].revoked, index), signed)


@pytest.fixture
async def bench(key_file: Any) -> SimpleNamespace:
    keys, rows, clock = KeysInMemory(), ListsInMemory(), SystemClock()
    issuer = Issuer("http://gateway.test", KeyFileSigner(key_file), keys, clock)
    await issuer.publish_key()
    lists = StatusLists(issuer, rows, clock)
    await lists.start()
    return SimpleNamespace(issuer=issuer, lists=lists, rows=rows, verification=Verification(issuer, lists, clock))


@pytest.fixture
async def signed_badge(bench: SimpleNamespace, unsigned: dict[str, Any]) -> dict[str, Any]:
    now = datetime(2026, 11, 23, 15, 42, 7, tzinfo=UTC)
    return await bench.issuer.sign(unsigned, bench.issuer.canonical(unsigned), now)


@pytest.fixture
def verify(bench: SimpleNamespace) -> Verify:
    async def checked(document: dict[str, Any]) -> dict[str, str]:
        verdict = await bench.verification.verify(document)
        results = {check.check.value: check.result.value for check in verdict.checks}
        assert len(results) == len(verdict.checks) == 6
        assert verdict.verified == (set(results.values()) == {"passed"})
        return results

    return checked


async def test_every_check_of_an_untouched_badge_passes(signed_badge: dict, verify: Verify) -> None:
    assert set((await verify(signed_badge)).values()) == {"passed"}


async def test_a_revoked_badge_fails_its_status_and_nothing_else(
    signed_badge: dict, verify: Verify, bench: SimpleNamespace
) -> None:
    await bench.lists.revoke(SimpleNamespace(session=None), 1, 4711)

    results = await verify(signed_badge)

    assert [name for name, result in results.items() if result != "passed"] == ["status"]
    assert results["status"] == "failed"


async def test_a_status_list_that_was_swapped_fails_the_status(
    signed_badge: dict, verify: Verify, bench: SimpleNamespace
) -> None:
    bench.rows.lists[1] = StatusList(1, (), bench.rows.lists[1].signed.replace('"validFrom": "2', '"validFrom": "1'))

    assert (await verify(signed_badge))["status"] == "failed"


TAMPERINGS = {
    "another title": (lambda d: d["credentialSubject"]["achievement"].update(name="Chief"), "signature"),
    "more points": (lambda d: d["credentialSubject"].update(creditsEarned=50), "signature"),
    "another issuer": (lambda d: d["issuer"].update(id="did:web:elsewhere.example"), "issuer"),
    "another index": (lambda d: d["credentialStatus"].update(statusListIndex="1"), "signature"),
    "no status": (lambda d: d.pop("credentialStatus"), "signature"),
    "no proof": (lambda d: d.pop("proof"), "signature"),
    "two proofs": (lambda d: d.update(proof=[d["proof"], d["proof"]]), "signature"),
    "another suite": (lambda d: d["proof"].update(cryptosuite="eddsa-jcs-2022"), "signature"),
    "another time of proof": (lambda d: d["proof"].update(created="2020-01-01T00:00:00Z"), "signature"),
    "a broken value": (lambda d: d["proof"].update(proofValue="zzz"), "signature"),
    "a short value": (lambda d: d["proof"].update(proofValue="z" + base58.b58encode(b"x").decode()), "signature"),
    "an unknown key of ours": (lambda d: d["proof"].update(verificationMethod="did:web:gateway.test#x"), "issuer"),
    "an ended time": (lambda d: d.update(validUntil="2020-01-01T00:00:00Z"), "validity"),
    "a time to come": (lambda d: d.update(validFrom="2999-01-01T00:00:00Z"), "validity"),
    "an unreadable time": (lambda d: d.update(validFrom="yesterday"), "validity"),
    "an undefined property": (lambda d: d.update(grade="excellent"), "context"),
    "an undefined type": (lambda d: d["type"].append("DoctoralDegree"), "context"),
    "a remote context": (lambda d: d["@context"].append("https://evil.example/context"), "context"),
    "an inline context": (lambda d: d["@context"].append({"grade": "https://x.example/grade"}), "context"),
    "an address as property": (lambda d: d.update({"https://schema.org/name": "x"}), "context"),
    "a keyword": (lambda d: d.update({"@included": []}), "context"),
    "a relative id": (lambda d: d["credentialSubject"]["achievement"].update(id="achievement"), "context"),
    "an id with spaces": (lambda d: d["credentialSubject"]["achievement"].update(id="https://a b"), "context"),
    "no subject": (lambda d: d.update(credentialSubject="urn:x:y"), "schema"),
    "no type": (lambda d: d.update(type=["VerifiableCredential"]), "schema"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_tampered_badge_is_refused_with_its_reason(tampering: str, signed_badge: dict, verify: Verify) -> None:
    change, check = TAMPERINGS[tampering]
    document = copy.deepcopy(signed_badge)
    change(document)

    results = await verify(document)

    assert results[check] == "failed", results


async def test_every_undefined_property_is_found_wherever_it_hides(signed_badge: dict, verify: Verify) -> None:
    """One per object of the credential: a signature that skips any of them would cover less than it seems to."""

    def places(value: Any) -> list[dict]:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        own = [value] if isinstance(value, dict) else []
        return own + [place for child in children for place in places(child)]

    count = len(places(signed_badge))
    assert count > 15
    for number in range(count):
        document = copy.deepcopy(signed_badge)
        places(document)[number]["grade"] = "excellent"

        results = await verify(document)

        assert "failed" in (results["context"], results["signature"]), f"object {number}"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"@context": []},
        {"@context": "https://www.w3.org/ns/credentials/v2"},
        {"@context": 5, "type": {}, "id": [], "proof": []},
        {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": None, "proof": [[]], "credentialStatus": [1]},
        {"@context": [["https://www.w3.org/ns/credentials/v2"]]},
        {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"], "id": "_:b0"},
        {"": "", " ": {}},
    ],
)
async def test_documents_that_are_no_credential_get_failed_checks(document: dict, verify: Verify) -> None:
    assert "failed" in (await verify(document)).values()


async def test_many_parts_that_look_alike_are_refused_quickly(signed_badge: dict, verify: Verify) -> None:
    document = {**signed_badge, "evidence": [{"type": ["Evidence"], "name": "x"} for _ in range(40)]}

    assert (await verify(document))["context"] == "failed"


async def test_a_badge_of_another_issuer_is_unknown_not_good(signed_badge: dict, verify: Verify) -> None:
    key = SigningKey.generate()
    did = f"did:key:{multikey(bytes(key.verify_key))}"
    document = {name: member for name, member in signed_badge.items() if name not in ("proof", "credentialStatus")}
    document["issuer"] = {**document["issuer"], "id": did}
    options = proof_options(datetime(2026, 11, 23, tzinfo=UTC), f"{did}#{multikey(bytes(key.verify_key))}")
    signature = key.sign(signing_input(canonical_configuration(options), canonical(document))).signature

    results = await verify(with_proof(document, options, signature))

    assert (results["signature"], results["issuer"], results["context"]) == ("passed", "unknown", "passed")


async def test_a_key_of_ours_signs_for_no_other_issuer(signed_badge: dict, verify: Verify) -> None:
    document = {**signed_badge, "issuer": {**signed_badge["issuer"], "id": "did:web:other.example"}}

    assert (await verify(document))["issuer"] == "failed"
