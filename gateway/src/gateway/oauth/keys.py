"""The keys that sign access tokens: files of this deployable alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

ALGORITHM = "ES256"


class SigningKeys:
    """ES256 keys; the newest signs, all are published so that older tokens stay verifiable."""

    def __init__(self, keys: list[ECKey]) -> None:
        self._keys = keys
        self._header = {"alg": ALGORITHM, "kid": str(keys[-1].kid), "typ": "at+jwt"}

    @classmethod
    def load(cls, folder: Path) -> SigningKeys:
        """The keys of a folder, oldest first; the first one is made when there is none."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = sorted(folder.glob("*.json"))
        if not files:
            files = [_make_key(folder)]
        return cls([ECKey.import_key(json.loads(file.read_text(encoding="utf-8"))) for file in files])

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed access token (RFC 9068 section 2)."""
        return jwt.encode(self._header, claims, self._keys[-1], algorithms=[ALGORITHM])

    def public(self) -> dict[str, Any]:
        """The JWK Set that services read (RFC 7517 section 5)."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}


def _make_key(folder: Path) -> Path:
    key = ECKey.generate_key("P-256", private=True)
    parameters = {**key.as_dict(private=True), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}
    path = folder / "0001.json"
    part = folder / f".{os.getpid()}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(parameters, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    return path
