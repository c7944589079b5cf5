"""Bitstring Status List v1.0: bits, their encoding, the credential that carries them."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterable
from datetime import datetime

from credentials.jsonld.domain import Json
from credentials.proofs.domain import moment_text

#: Herd privacy: the shortest list that section 4.1 allows (16 KiB uncompressed).
LENGTH = 131_072
PURPOSE = "revocation"


class BadStatusList(ValueError):
    """An encoded list that cannot be read."""


def encode_list(revoked: Iterable[int], length: int = LENGTH) -> str:
    """The bits, first index leftmost, gzipped, as multibase base64url (section 3.3). The same bits give the same text."""
    bits = bytearray(length // 8)
    for index in revoked:
        bits[index // 8] |= 0x80 >> index % 8
    return "u" + base64.urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).decode().rstrip("=")


def is_set(encoded: str, index: int) -> bool:
    """Whether the bit at an index is set (section 3.4). Raises BadStatusList."""
    if not encoded.startswith("u"):
        raise BadStatusList("The list is not multibase base64url.")
    try:
        packed = base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))
        # Never more than the longest list we make: a small text can inflate to gigabytes.
        bits = zlib.decompressobj(wbits=31).decompress(packed, LENGTH // 8)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise BadStatusList("The list cannot be unpacked.") from error
    if not 0 <= index < len(bits) * 8:
        raise BadStatusList("The index lies outside the list.")
    return bool(bits[index // 8] & 0x80 >> index % 8)


def list_url(public_url: str, number: int) -> str:
    """The address of a list, which is its id."""
    return f"{public_url}/credentials/v1/status/{number}"


def status_entry(public_url: str, number: int, index: int) -> Json:
    """The `credentialStatus` of a credential (section 2.1)."""
    url = list_url(public_url, number)
    return {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": PURPOSE,
        "statusListIndex": str(index),
        "statusListCredential": url,
    }


def status_credential(public_url: str, issuer: str, number: int, revoked: Iterable[int], at: datetime) -> Json:
    """The unsigned BitstringStatusListCredential (section 2.2)."""
    url = list_url(public_url, number)
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": moment_text(at),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": PURPOSE,
            "encodedList": encode_list(revoked),
        },
    }
