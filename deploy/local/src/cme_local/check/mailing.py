"""Invariants of outreach: no mail without a permission that was recorded before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cme_local.check.records import Document, Records
from cme_local.check.report import Invariant, invariant

#: A mail that was handed over, or may have been; without a claim it never was, by this record.
GONE_OUT = {"sent", "in_doubt"}
#: Rules read `<country>.<kind>.<basis>.<yes or no>`; these bases rest on a declaration.
CONSENTED = {"consent_doi", "consent_single"}
EVERYTHING = "all"


def consents(records: Records) -> Invariant:
    """Mails against the declarations that were recorded before them."""
    ledger: dict[tuple[str, str], list[Document]] = defaultdict(list)
    by_id = {declaration["_id"]: declaration for declaration in records.of("outreach", "consents")}
    for declaration in by_id.values():
        ledger[declaration["contact_id"], declaration["purpose"]].append(declaration)
    # Of two entries of one address that were united, one carries on the other's declaration.
    for contact in records.of("outreach", "contacts"):
        for purpose, consent in contact["consents"].items():
            carried = by_id.get(consent["consent_id"])
            if carried is not None and carried["contact_id"] != contact["_id"]:
                ledger[contact["_id"], purpose].append(carried)
    mails = _gone_out(records)
    found = [f"{send['_id']}: {text}" for send in mails for text in _unpermitted(send, ledger)]
    text = "Each mail that rests on consent has one recorded before it, and none was withdrawn before it"
    return invariant("consents", text, len(mails), found)


def _gone_out(records: Records) -> list[Document]:
    return [send for send in records.of("outreach", "sends") if send["state"] in GONE_OUT and send["claimed_at"]]


def _unpermitted(send: Document, ledger: dict[tuple[str, str], list[Document]]) -> Iterator[str]:
    said = [one for one in ledger[send["contact_id"], send["purpose"]] if one["recorded_at"] <= send["claimed_at"]]
    last = max(said, key=lambda one: (one["given_at"], one["recorded_at"]), default=None)
    if not send["rule_id"].endswith(".yes"):
        yield f"sent although the rule says {send['rule_id']}"
    elif last is None and CONSENTED & set(send["rule_id"].split(".")):
        yield "rests on consent, and none was recorded before it"
    elif last is not None and last["state"] == "withdrawn":
        yield "consent was withdrawn before it"


def objections(records: Records) -> Invariant:
    """Mails against the objections that were recorded before them."""
    scopes = {row["_id"]: row["scopes"] for row in records.of("outreach", "suppressions")}
    mails = _gone_out(records)
    found = [
        f"{send['_id']}: its address had objected before"
        for send in mails
        for scope, stated in scopes.get(send["address_hash"], {}).items()
        if scope in {EVERYTHING, send["purpose"]} and stated["at"] <= send["claimed_at"]
    ]
    return invariant("objections", "No mail went to an address that had objected", len(mails), found)


INVARIANTS = (consents, objections)
