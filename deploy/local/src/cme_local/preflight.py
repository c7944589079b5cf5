"""Checks before anything starts: ports, disk and the lock on the data directory."""

# ruff: noqa: PLC0415 -- psutil is loaded only to name who holds a port

import fcntl
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from cme_local.errors import UserError
from cme_local.processes import Ports

# WiredTiger's log, the JetStream files and a pilot year stay well below this.
NEEDED_DISK_BYTES = 300 * 1024 * 1024
LOWEST_BASE = 1024
# A stack whose broker is a cluster counts twenty ports from its base.
HIGHEST_BASE = 65535 - 19


def check_ports(ports: Ports) -> None:
    """Refuse to start when a port is taken, naming the port and, if it can be seen, its owner."""
    if not LOWEST_BASE <= ports.base <= HIGHEST_BASE:
        raise UserError(f"--port-base must lie between {LOWEST_BASE} and {HIGHEST_BASE}, not {ports.base}.")
    for name, port in ports.named().items():
        if _is_free(port):
            continue
        raise UserError(
            f"Port {port} ({name}) is taken{_owner(port)}. Stop that process, or choose another range, "
            f"for example: ./cme up --port-base {_other_base(ports.base)}"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # What uvicorn and the engines do too: a port in TIME_WAIT after a restart is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _other_base(base: int) -> int:
    return next(free_bases(range(base + 100, HIGHEST_BASE, 100)), 18800)


def free_bases(candidates: Iterable[int], count: int = len(Ports(0).named())) -> Iterator[int]:
    """Those candidates from which `count` ports in a row, those of a stack unless told, are free now."""
    return (base for base in candidates if all(map(_is_free, range(base, base + count))))


def _owner(port: int) -> str:
    import psutil  # type: ignore[import-untyped]

    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # Other users' sockets are not visible everywhere; the port alone is still a clear answer.
    return ""


def check_disk(folder: Path) -> None:
    """Refuse to start on a disk that the engines would fill."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_DISK_BYTES:
        raise UserError(
            f"Only {free // 2**20} MB are free at {folder}, and a stack needs {NEEDED_DISK_BYTES // 2**20} MB. "
            "Free some space, or use --data on another disk."
        )


def check_broker(data: Path, ports: Ports) -> None:
    """Refuse a broker of another size than the one whose messages are kept here: its streams would be empty."""
    kept = {folder.name for folder in data.glob("nats*") if folder.is_dir()}
    if kept and kept != {node.name for node in ports.broker}:
        raise UserError(
            f"{data} holds the messages of a broker of {len(kept)} server(s). Use --nats-nodes {len(kept)}, "
            "or --data DIR for another stack."
        )


class DataDirectory:
    """A stack's data directory, held by one running stack at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Path:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise UserError(
                f"Cannot use {self.path} as data directory ({failure.strerror}). Choose another one with --data DIR."
            ) from failure
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            pid = os.read(self._lock, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise UserError(
                f"{self.path} is in use by a running stack (pid {pid}). Stop that one, or use --data DIR and --port-base N."
            ) from held
        os.truncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())
        return self.path

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
