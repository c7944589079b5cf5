"""Verify a folder of credentials with openbadgeslib, without a network: the same folder and answer as js/verify.mjs.

python verify_openbadgeslib.py DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.ob3.did import resolve_verification_method
from openbadgeslib.ob3.ldp import OB3LdpVerifier, verify_data_integrity_proof
from openbadgeslib.ob3.status import check_credential_status


class Folder:
    """The bundled documents by the address that other software would fetch them from."""

    def __init__(self, path: Path) -> None:
        did = json.loads((path / "did.json").read_text())
        host = unquote(did["id"].removeprefix("did:web:"))
        self.issuer = did["id"]
        self._documents = {f"https://{host}/.well-known/did.json": (path / "did.json").read_bytes()}
        for file in sorted((path / "status").glob("*.json")):
            self._documents[json.loads(file.read_text())["id"]] = file.read_bytes()
        self.credentials = sorted((path / "credentials").glob("*.json"))

    def download(self, url: str) -> bytes:
        """A bundled document; nothing is fetched."""
        return self._documents[url]


def verify(folder: Folder, text: str) -> dict[str, Any]:
    """Verify proof, issuer and structure; then the status list's own proof and this credential's bit."""
    document = json.loads(text)
    try:
        credential = OB3LdpVerifier.for_issuer_did(folder.issuer).verify(text, download=folder.download)
        for entry in credential.credential_status:
            listed = json.loads(folder.download(entry["statusListCredential"]))
            key = resolve_verification_method(listed["proof"]["verificationMethod"], folder.download)
            verify_data_integrity_proof(listed, key)
    except (LibOpenBadgesException, KeyError) as error:
        return {"id": document.get("id"), "verified": False, "revoked": False, "error": repr(error)}
    try:
        check_credential_status(credential, folder.download)
    except LibOpenBadgesException as error:
        revoked = "status 'revocation' is set" in str(error)
        return {
            "id": document["id"],
            "verified": revoked,
            "revoked": revoked,
            "error": None if revoked else repr(error),
        }
    return {"id": document["id"], "verified": True, "revoked": False, "error": None}


def main(directory: str) -> int:
    """Print the results; 0 when every credential is verified."""
    folder = Folder(Path(directory))
    found = [{"file": file.name, **verify(folder, file.read_text())} for file in folder.credentials]
    print(json.dumps({"credentials": found}, indent=1))  # noqa: T201  (a command line answers on standard output)
    return 0 if found and all(result["verified"] for result in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
