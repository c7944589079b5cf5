"""Invariants of credentials: awards, editions, signatures, status lists."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from cme_local.check.records import COMPLETED, ISSUED, RECOGNISED, REVOKED, Document, Records
from cme_local.check.report import Invariant, invariant

#: The states of the current credential that fit each state of an award.
FITTING = {"pending": {"intent", "signed"}, "issued": {"issued"}, "revoked": {"revoked"}}


def awards(records: Records) -> Invariant:
    """Recognised credit and completions against awards."""
    rows = records.of("credentials", "awards")
    held = Counter((award["enrolment_id"], award["unit_id"]) for award in rows)
    earned = {
        (event["data"]["enrolment_id"], event["data"].get("unit_id")): event["_id"]
        for event in [*records.events(RECOGNISED), *records.events(COMPLETED)]
    }
    found = [
        f"{event_id}: {held[key]} awards for what it attests"
        for key, event_id in earned.items()
        if held[key] != 1 and not (held[key] == 0 and records.not_arrived("credentials", event_id))
    ]
    found += [
        f"{award['_id']}: no recognised credit and no completion is behind it"
        for award in rows
        if (award["enrolment_id"], award["unit_id"]) not in earned
    ]
    text = "Each recognised credit and each completion has one award, and no award comes from anything else"
    return invariant("awards", text, len(earned) + len(rows), found)


def editions(records: Records) -> Invariant:
    """Awards against their credentials."""
    credentials: dict[str, list[Document]] = defaultdict(list)
    for credential in records.of("credentials", "credentials"):
        credentials[credential["award_id"]].append(credential)
    rows = records.of("credentials", "awards")
    found = [f"{award['_id']}: {text}" for award in rows for text in _misfits(award, credentials.pop(award["_id"], []))]
    found += [f"{credential['_id']}: of no award" for rest in credentials.values() for credential in rest]
    checked = len(rows) + len(records.of("credentials", "credentials"))
    return invariant("editions", "Each award has exactly one current credential", checked, found)


def _misfits(award: Document, credentials: Sequence[Document]) -> Iterator[str]:
    if sorted(credential["edition"] for credential in credentials) != list(range(1, award["edition"] + 1)):
        yield "its credentials are not one for each edition"
    for credential in credentials:
        current = credential["edition"] == award["edition"]
        if current and credential["_id"] != award["credential_id"]:
            yield f"its current credential is not {credential['_id']}"
        if current and credential["state"] not in FITTING[award["state"]]:
            yield f"{award['state']} while its credential is {credential['state']}"
        if not current and credential["state"] != "revoked":
            yield f"{credential['_id']} was replaced and not revoked"


def signatures(records: Records) -> Invariant:
    """Signed documents against what was stored to be signed."""
    rows = records.of("credentials", "credentials")
    found = [f"{credential['_id']}: {text}" for credential in rows for text in _unintended(credential)]
    return invariant("signatures", "Nothing is signed but what was stored to be signed", len(rows), found)


def _unintended(credential: Document) -> Iterator[str]:
    signed = credential.get("signed")
    if signed is None:
        if credential["state"] != "intent":
            yield f"{credential['state']} without a signature"
        return
    if not credential.get("canonical"):
        yield "signed without stored canonical bytes"
    document = json.loads(signed)
    if {key: value for key, value in document.items() if key != "proof"} != json.loads(credential["document"]):
        yield "signed with another content than was stored"


def tellings(records: Records) -> Invariant:
    """Issued and revoked credentials against the events that tell so."""
    rows = records.of("credentials", "credentials")
    found = []
    for type_, moment, what in ((ISSUED, "issued_at", "issued"), (REVOKED, "revoked_at", "revoked")):
        told = Counter(event["data"]["credential_id"] for event in records.events(type_))
        found += [
            f"{credential['_id']}: {what}, and told {told[credential['_id']]} times"
            for credential in rows
            if told[credential["_id"]] != bool(credential.get(moment))
        ]
        known = {credential["_id"] for credential in rows}
        found += [f"{credential_id}: told to be {what} and not stored" for credential_id in told.keys() - known]
    return invariant("tellings", "Each issue and each revocation is told exactly once", len(rows), found)


def status_places(records: Records) -> Invariant:
    """The places of credentials in status lists."""
    rows = records.of("credentials", "credentials")
    given: dict[tuple[int, int], list[Document]] = defaultdict(list)
    for credential in rows:
        given[credential["status_list"], credential["status_index"]].append(credential)
    found = [
        f"{credential['_id']}: shares place {place[1]} of list {place[0]}"
        for place, holders in given.items()
        if len(holders) > 1
        for credential in holders
    ]
    for credential in rows:
        entry = json.loads(credential["document"])["credentialStatus"]
        number = entry["statusListCredential"].rpartition("/")[2]
        if (number, entry["statusListIndex"]) != (str(credential["status_list"]), str(credential["status_index"])):
            found.append(f"{credential['_id']}: its document names another place than its row")
    return invariant("status_places", "No two credentials share a place in a status list", len(rows), found)


def revocations(records: Records) -> Invariant:
    """Published bits against revoked credentials."""
    rows = records.of("credentials", "credentials")
    revoked: dict[int, dict[int, str]] = defaultdict(dict)
    for credential in rows:
        if credential["state"] == "revoked":
            revoked[credential["status_list"]][credential["status_index"]] = credential["_id"]
    found = []
    for row in records.of("credentials", "status_lists"):
        bits, wanted = _set_bits(json.loads(row["signed"])), revoked.pop(row["_id"], {})
        found += [f"{wanted[index]}: revoked, and its published bit is not set" for index in wanted.keys() - bits]
        found += [f"list {row['_id']}: bit {index} is set for no revoked credential" for index in bits - wanted.keys()]
    found += [f"{one}: revoked in a list that is not published" for rest in revoked.values() for one in rest.values()]
    return invariant("revocations", "Published status lists say exactly what was revoked", len(rows), found)


def _set_bits(status_list: Document) -> set[int]:
    """The set bits of a BitstringStatusListCredential (Bitstring Status List v1.0 section 3.3)."""
    encoded = status_list["credentialSubject"]["encodedList"].removeprefix("u")
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return {place * 8 + bit for place, byte in enumerate(bits) if byte for bit in range(8) if byte & 0x80 >> bit}


INVARIANTS = (awards, editions, signatures, tellings, status_places, revocations)
