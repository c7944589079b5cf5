"""What a data directory's stack must know again at its next start; made once, readable by its owner only."""

# ruff: noqa: PLC0415 -- keys are made at the first start only

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cme_local.bus_users import BUS_USERS, sandbox_user

BOOTSTRAP_CLIENT_ID = "bootstrap"
NATS_TOOL_USER = "local"
NATS_ROUTES_USER = "routes"


@dataclass(frozen=True)
class StackSecrets:
    """The generated secrets of one data directory."""

    bootstrap_client_secret: str
    client_secret_pepper: str
    address_key: str
    sandbox_address_key: str
    nats_passwords: dict[str, str]
    operations_token: str
    nats_routes_password: str


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step, so that no reader sees a part or a wider mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load_or_create(data: Path) -> StackSecrets:
    """The directory's secrets: those it has, and those it lacks generated."""
    path = data / "secrets.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    users = (*BUS_USERS, *map(sandbox_user, BUS_USERS), NATS_TOOL_USER)
    passwords = {user: secrets.token_urlsafe(24) for user in users}
    known = kept.get("nats_passwords", {})
    fresh = {
        "bootstrap_client_secret": secrets.token_urlsafe(32),
        "client_secret_pepper": secrets.token_urlsafe(32),
        "address_key": secrets.token_urlsafe(32),
        "sandbox_address_key": secrets.token_urlsafe(32),
        "operations_token": secrets.token_urlsafe(32),
        "nats_routes_password": secrets.token_urlsafe(24),
        "nats_passwords": passwords,
    }
    if fresh.keys() - kept.keys() or passwords.keys() - known.keys():
        kept = fresh | kept | {"nats_passwords": passwords | known}
        write_private(path, json.dumps(kept, indent=1))
    return StackSecrets(**kept)


def credential_key_file(data: Path, *, sandbox: bool = False) -> Path:
    """The Ed25519 key that signs credentials, or those of the sandbox (PKCS #8 PEM)."""
    path = data / "keys" / ("sandbox-credentials.pem" if sandbox else "credentials.pem")
    if not path.exists():
        from joserfc.jwk import OKPKey

        write_private(path, OKPKey.generate_key("Ed25519").as_pem(private=True).decode())
    return path


def token_keys_dir(data: Path) -> Path:
    """The folder where the gateway keeps the keys that sign access tokens."""
    path = data / "keys" / "gateway"
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path
