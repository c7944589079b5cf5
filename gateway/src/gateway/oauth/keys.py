"""The keys that sign tokens: files of this deployable alone, one after the other."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, KeySet
from joserfc.util import urlsafe_b64encode

ALGORITHM = "ES256"
_ES256 = ECDSA(SHA256())
#: A key is published for so long after the next one signs, seconds: longer than any token that it signed lives.
RETIRED_SECONDS = 3600.0
#: What a key is called in its file besides its JWK members: when it begins to sign, seconds since the epoch.
USE_FROM = "use_from"


@dataclass(frozen=True)
class SigningKey:
    """One key and when it begins to sign."""

    path: Path
    key: ECKey
    use_from: float
    _headers: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def key_id(self) -> str:
        """Its `kid`."""
        return str(self.key.kid)

    def header(self, kind: str) -> bytes:
        """The encoded header of its signatures."""
        if kind not in self._headers:
            header = {"alg": ALGORITHM, "kid": self.key_id, "typ": kind}
            self._headers[kind] = urlsafe_b64encode(json.dumps(header, separators=(",", ":")).encode())
        return self._headers[kind]

    def sign(self, message: bytes) -> bytes:
        """Two numbers of 32 bytes (RFC 7518 section 3.4); joserfc's own way to them takes half as long again."""
        private = self.key.private_key
        assert private is not None
        r, s = decode_dss_signature(private.sign(message, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class SigningKeys:
    """ES256 keys; one signs, all are published, so that tokens stay verifiable while the next key takes over."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """The keys of a folder; the first one is made when there is none."""
        self._folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keys: list[SigningKey] = []
        self.reload()
        if not self._keys:
            self.add(0)

    @property
    def all(self) -> list[SigningKey]:
        """Every published key, the oldest first."""
        return list(self._keys)

    @property
    def signing(self) -> SigningKey:
        """The key that signs now: the newest whose time has come."""
        now = self._clock()
        return next((key for key in reversed(self._keys) if key.use_from <= now), self._keys[0])

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """A signed JWT of a kind (`typ`: at+jwt, JWT)."""
        signing = self.signing
        # The compact form by hand (RFC 7515 section 7.1): making the same header anew doubles the cost of a token.
        payload = json.dumps(claims, separators=(",", ":")).encode()
        message = signing.header(kind) + b"." + urlsafe_b64encode(payload)
        return (message + b"." + urlsafe_b64encode(signing.sign(message))).decode()

    def public(self) -> dict[str, Any]:
        """The JWK Set that services read (RFC 7517 section 5)."""
        return {"keys": [key.key.as_dict(private=False) for key in self._keys]}

    @property
    def public_set(self) -> KeySet:
        """The same keys, to verify with."""
        return KeySet([key.key for key in self._keys])

    async def read(self) -> dict[str, Any]:
        """The JWK Set, as those read it that verify tokens in this process."""
        return self.public()

    def add(self, lead_seconds: float) -> SigningKey:
        """Make the next key: published at once, signing after `lead_seconds`, when everybody knows it."""
        number = int(self._keys[-1].path.stem) + 1 if self._keys else 1
        path = _make_key(self._folder, number, self._clock() + lead_seconds)
        self.reload()
        return next(key for key in self._keys if key.path == path)

    def remove_retired(self) -> list[SigningKey]:
        """Remove the keys whose last token has expired; which they were."""
        now = self._clock()
        pairs = zip(self._keys, self._keys[1:], strict=False)
        retired = [key for key, successor in pairs if successor.use_from + RETIRED_SECONDS <= now]
        for key in retired:
            key.path.unlink(missing_ok=True)
        if retired:
            self.reload()
        return retired

    def withdraw(self, key_id: str) -> bool:
        """Remove a key although tokens need it; one that signs is followed first. Whether there was one."""
        withdrawn = next((key for key in self._keys if key.key_id == key_id), None)
        if withdrawn is None:
            return False
        if withdrawn is self.signing:
            self.add(0)
        withdrawn.path.unlink(missing_ok=True)
        self.reload()
        return True

    def reload(self) -> None:
        """Read the folder again when it has other keys; another replica may have added or removed one."""
        # By name: a file is never written again, and two changes within a tick of the clock leave one time behind.
        paths = sorted(self._folder.glob("[0-9]*.json"))
        if paths != [key.path for key in self._keys]:
            self._keys = [_read(path) for path in paths]


def _read(path: Path) -> SigningKey:
    parameters = json.loads(path.read_text(encoding="utf-8"))
    use_from = float(parameters.pop(USE_FROM, 0))
    return SigningKey(path, ECKey.import_key(parameters), use_from)


def _make_key(folder: Path, number: int, use_from: float) -> Path:
    key = ECKey.generate_key("P-256", private=True)
    parameters = {**key.as_dict(private=True), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}
    path = folder / f"{number:04}.json"
    # A name of its own, as a process that is killed here leaves the file behind, and the next one may have its number.
    descriptor, name = tempfile.mkstemp(suffix=".part", prefix=".", dir=folder)
    part = Path(name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(parameters | {USE_FROM: use_from}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Fails when another replica made this one: then its key is the next one.
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    return path
