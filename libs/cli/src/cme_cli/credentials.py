"""Which client calls: from the environment, from `cme login`, or from a local stack that runs here."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cme_cli.errors import CliError

API, CLIENT_ID, CLIENT_SECRET = "CME_API", "CME_CLIENT_ID", "CME_CLIENT_SECRET"
#: Where a local stack says what it has, below the folder that it was started in.
STACK_FILE = Path(".cme") / "stack.json"
OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Credentials:
    """A client with a secret, and the gateway that knows it."""

    api: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Wanted:
    """What the caller said about it."""

    api: str | None = None
    client_id: str | None = None
    #: A client of a local stack's sandbox, or one of its real API.
    sandbox: bool = True
    stack: Path | None = None


def config_file() -> Path:
    """Where `cme login` keeps a client (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "cme" / "credentials.json"


def find(wanted: Wanted) -> Credentials:
    """The client to call with. Raises CliError when there is none."""
    if os.environ.get(CLIENT_ID) or wanted.client_id:
        return _of_environment(wanted)
    if wanted.stack is None and (stored := _stored()) is not None:
        return stored
    stack = wanted.stack or _stack_above(Path.cwd())
    if stack is not None:
        return _of_stack(stack, wanted.sandbox)
    raise CliError(
        f"No client to call with. Run `cme login`, or set {API}, {CLIENT_ID} and {CLIENT_SECRET}, "
        "or start a local stack by ./cme up."
    )


def store(credentials: Credentials) -> Path:
    """Keep a client, readable by its owner only, in one step."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
        json.dump(asdict(credentials), file, indent=1)
    part.replace(path)
    return path


def forget() -> bool:
    """Delete what `store` kept; whether there was something."""
    path = config_file()
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def _of_environment(wanted: Wanted) -> Credentials:
    api = wanted.api or os.environ.get(API)
    client_id = wanted.client_id or os.environ.get(CLIENT_ID)
    secret = os.environ.get(CLIENT_SECRET)
    if not api:
        raise CliError(f"Say where the API is: --api https://… or {API}.")
    if not client_id or not secret:
        raise CliError(f"Set {CLIENT_ID} and {CLIENT_SECRET}. A secret on the command line could be read by others.")
    return Credentials(api.rstrip("/"), client_id, secret)


def _stored() -> Credentials | None:
    path = config_file()
    if not path.exists():
        return None
    if path.stat().st_mode & 0o077:
        raise CliError(f"{path} can be read by others. Run: chmod 600 {path}")
    try:
        return Credentials(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise CliError(f"{path} is damaged. Run `cme login` again.") from None


def _stack_above(folder: Path) -> Path | None:
    return next((here / STACK_FILE for here in (folder, *folder.parents) if (here / STACK_FILE).is_file()), None)


def _of_stack(path: Path, sandbox: bool) -> Credentials:
    try:
        stack = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CliError(f"No stack runs here: {path} cannot be read. Start one by ./cme up.") from None
    client = next((one for one in stack["clients"] if _fits(one, sandbox)), None)
    if client is None:
        raise CliError(f"{path} has no client with a secret {'for the sandbox' if sandbox else 'that is live'}.")
    return Credentials(stack["api"], client["client_id"], client["client_secret"])


def _fits(client: dict[str, Any], sandbox: bool) -> bool:
    return bool(client.get("client_secret")) and bool(client.get("sandbox")) is sandbox
