"""Verifying a credential without the network: bundled contexts, our keys, our status lists."""

from __future__ import annotations

import json
import re

from cme_kit.clock import Clock
from cme_kit.problems import NotFound

from credentials.jsonld.domain import Json, RefusedDocument, as_list, canonical, screen
from credentials.keys.service import Issuer
from credentials.proofs.domain import BadProof, only_proof, public_key_of, verify_proof, without_proof
from credentials.status.domain import PURPOSE, BadStatusList, is_set, list_url
from credentials.status.service import StatusLists
from credentials.verification.domain import (
    Check,
    CheckName,
    Result,
    Verdict,
    check_schema,
    check_validity,
    issuer_id,
)

_INDEX = re.compile(r"^\d{1,9}$")
#: Lists that were begun after a restore are numbered by its moment in milliseconds.
_LIST = re.compile(r"^\d{1,15}$")


class Verification:
    """Says of any document which checks it passes. It answers for every input and never raises for a bad one."""

    def __init__(self, issuer: Issuer, lists: StatusLists, clock: Clock) -> None:
        self._issuer = issuer
        self._lists = lists
        self._clock = clock
        #: The lists whose signature held; it is checked again when a list changes.
        self._verified_lists: dict[int, str] = {}

    async def verify(self, document: Json) -> Verdict:
        """All checks of a document."""
        now = self._clock.now()
        context, text = self._check_context(document)
        if context.result is not Result.PASSED:
            # Nothing below may trust the JSON of a document whose meaning is not what was signed.
            untold = "Not checked, because the document's terms are not all defined."
            rest = [Check(name, Result.UNKNOWN, untold) for name in CheckName if name is not CheckName.CONTEXT]
            return Verdict((context, *rest), now)
        schema = check_schema(document)
        signature, issuer = await self._check_signature(document, text)
        validity = check_validity(document, now)
        return Verdict((context, schema, signature, issuer, validity, await self._check_status(document)), now)

    def _check_context(self, document: Json) -> tuple[Check, str]:
        """Whether every term is defined, and the canonical form of what was signed."""
        try:
            screen(document)
            text = canonical(without_proof(document))
        except RefusedDocument as error:
            return Check(CheckName.CONTEXT, Result.FAILED, str(error)), ""
        return Check(CheckName.CONTEXT, Result.PASSED, ", ".join(as_list(document.get("@context", [])))), text

    async def _check_signature(self, document: Json, text: str) -> tuple[Check, Check]:
        """The signature, and whether the key belongs to the issuer that the credential names."""

        def both(signature: Result, issuer: Result, detail: str, who: str) -> tuple[Check, Check]:
            return Check(CheckName.SIGNATURE, signature, detail), Check(CheckName.ISSUER, issuer, who)

        named = issuer_id(document)
        try:
            proof = only_proof(document)
        except BadProof as error:
            return both(Result.FAILED, Result.UNKNOWN, str(error), f"{named}: nothing valid was signed")
        method = proof["verificationMethod"]
        controller = method.partition("#")[0]
        if controller != named:
            return both(Result.FAILED, Result.FAILED, f"{method} is no key of {named}", str(named))
        try:
            key = await self._key(method, controller)
            if key is None and controller == self._issuer.did:
                return both(Result.FAILED, Result.FAILED, f"{method} is not in the DID document", controller)
            if key is None:
                return both(Result.UNKNOWN, Result.UNKNOWN, f"the key {method} is not kept here", controller)
            verify_proof(document, proof, key, text)
        except (BadProof, RefusedDocument) as error:
            return both(Result.FAILED, Result.UNKNOWN, str(error), controller)
        # A did:key says that one key signed, not whose key it is.
        known = Result.PASSED if controller == self._issuer.did else Result.UNKNOWN
        return both(Result.PASSED, known, f"{proof['cryptosuite']}, {method}", controller)

    async def _key(self, method: str, controller: str) -> bytes | None:
        if controller == self._issuer.did:
            return await self._issuer.key_of(method)
        if controller.startswith("did:key:"):
            return public_key_of(controller.removeprefix("did:key:"))
        return None

    async def _check_status(self, document: Json) -> Check:
        entries = as_list(document.get("credentialStatus", []))
        checks = [await self._check_entry(entry, issuer_id(document)) for entry in entries]
        for result in (Result.FAILED, Result.UNKNOWN):
            if found := next((check for check in checks if check.result is result), None):
                return found
        return checks[0] if checks else Check(CheckName.STATUS, Result.PASSED, "The credential names no status list.")

    async def _check_entry(self, entry: object, issuer: str | None) -> Check:
        def said(result: Result, detail: str) -> Check:
            return Check(CheckName.STATUS, result, detail)

        if not isinstance(entry, dict) or entry.get("type") != "BitstringStatusListEntry":
            return said(Result.UNKNOWN, "The kind of status is not understood here.")
        address, index = entry.get("statusListCredential"), entry.get("statusListIndex")
        number = _own_list(self._issuer.public_url, address)
        if number is None or issuer != self._issuer.did:
            return said(Result.UNKNOWN, f"The status list {address} is not kept here.")
        if entry.get("statusPurpose") != PURPOSE or not isinstance(index, str) or not _INDEX.match(index):
            return said(Result.FAILED, "The status entry is not one that this issuer writes.")
        try:
            text = (await self._lists.find(number)).signed
            signed = json.loads(text)
            proof = only_proof(signed)
            key = await self._issuer.key_of(proof["verificationMethod"])
            if key is None:
                return said(Result.FAILED, "The status list is not signed by this issuer.")
            if self._verified_lists.get(number) != text:
                verify_proof(signed, proof, key)
                self._verified_lists[number] = text
            revoked = is_set(signed["credentialSubject"]["encodedList"], int(index))
        except (NotFound, BadProof, BadStatusList) as error:
            return said(Result.FAILED, str(error))
        detail = f"BitstringStatusList {number}, index {index} = {int(revoked)}"
        return said(Result.FAILED if revoked else Result.PASSED, detail)


def _own_list(public_url: str, address: object) -> int | None:
    if not isinstance(address, str):
        return None
    number = address.removeprefix(list_url(public_url, 0).removesuffix("0"))
    return int(number) if number.isascii() and _LIST.match(number) else None
