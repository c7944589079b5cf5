"""`cme bench start`: how long until the platform answers, and what it costs while idle, beside its bare floor."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 -- nothing else runs in this loop while a process starts

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cme_local import engines, environment
from cme_local.bench.usage import Usage, observe
from cme_local.child import ChildSpec
from cme_local.errors import StackError
from cme_local.http_probe import accepts_connections, status_of
from cme_local.processes import DEPLOYABLES, Group, Ports, project_root
from cme_local.secrets import load_or_create
from cme_local.supervisor import Supervisor

PORT_BASE = 28800
GIVE_UP_S = 240.0


async def measure() -> dict[str, Any]:
    """Fresh clone, warm start, idle; each figure with the floor where there is one."""
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as folder:
        temporary = Path(folder)
        fresh_s = await _fresh_clone(temporary)
        first_s, _ = await _timed_up(temporary / "data", watch=False)
        warm_s, idle = await _timed_up(temporary / "data", watch=True)
        bare_s, floor = await _bare(temporary / "bare")
    assert idle is not None
    rows = [
        {"figure": "Fresh clone, empty caches, to the first 200 (s)", "CME": fresh_s, "floor": "", "at most": 60},
        {"figure": "First up on empty data (s)", "CME": first_s, "floor": "", "at most": ""},
        {"figure": "Warm up, to ready (s)", "CME": warm_s, "floor": bare_s, "at most": 6},
        _row("Idle, CPU (% of a core)", idle.cpu_percent_of_a_core, floor.cpu_percent_of_a_core, 5),
        _row("Idle, resident, sum of RSS (MB)", idle.rss_mb, floor.rss_mb, 800),
        _row("Idle, resident, shared pages once (MB)", idle.pss_mb, floor.pss_mb, ""),
    ]
    return {
        "rows": rows,
        "fresh_clone_s": fresh_s,
        "first_up_s": first_s,
        "warm_up_s": warm_s,
        "bare_up_s": bare_s,
        "idle": asdict(idle),
        "bare_idle": asdict(floor),
    }


def _row(figure: str, ours: float, floor: float, bound: float | str) -> dict[str, Any]:
    return {"figure": figure, "CME": ours, "floor": floor, "at most": bound}


async def _fresh_clone(temporary: Path) -> float:
    """What a newcomer does: clone, one command, wait for an answer."""
    clone = temporary / "clone"
    log = temporary / "fresh.log"
    env = environment.inherited() | {"UV_CACHE_DIR": str(temporary / "uv-cache"), "PIP_NO_CACHE_DIR": "1"}
    for key in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH"):
        env.pop(key, None)
    # A machine that has uv would skip a step that a newcomer waits for.
    env["PATH"] = os.pathsep.join(part for part in env["PATH"].split(os.pathsep) if not shutil.which("uv", path=part))
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", str(project_root()), str(clone)], check=True)
    with log.open("wb") as output:
        up = subprocess.Popen(
            [str(clone / "cme"), "up", "--port-base", str(PORT_BASE), "--data", str(temporary / "fresh-data")],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        while await status_of(f"{Ports(PORT_BASE).gateway_url}/health/ready") != HTTPStatus.OK:
            if up.poll() is not None or time.monotonic() - began > GIVE_UP_S:
                raise StackError("The fresh clone did not come up", log.read_text(encoding="utf-8")[-2000:])
            await asyncio.sleep(0.05)
        return round(time.monotonic() - began, 1)
    finally:
        await _stop(up)


async def _timed_up(data: Path, *, watch: bool) -> tuple[float, Usage | None]:
    """`cme up` as a process of its own, until it has written its stack file."""
    command = [sys.executable, "-m", "cme_local", "up", "--port-base", str(PORT_BASE), "--data", str(data)]
    began = time.monotonic()
    up = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (data / "stack.json").exists():
            if up.poll() is not None or time.monotonic() - began > GIVE_UP_S:
                raise StackError(f"cme up ended with {up.poll()}. Its logs: {data / 'logs'}")
            await asyncio.sleep(0.02)
        took = round(time.monotonic() - began, 2)
        if not watch:
            return took, None
        processes = json.loads((data / "stack.json").read_text(encoding="utf-8"))["processes"]
        return took, await observe({p["name"]: p["pid"] for p in processes} | {"supervisor": up.pid})
    finally:
        await _stop(up)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait)


async def _bare(data: Path) -> tuple[float, Usage]:
    """The floor: the same engines and as many server processes, with nothing in them."""
    data.mkdir()
    ports = Ports(PORT_BASE)
    bare = environment.inherited()
    argv = [sys.executable, "-m", "uvicorn", "cme_local.bench.bare:app", "--log-level", "warning", "--port"]

    async def answers(port: int) -> bool:
        return await status_of(ports.url(port)) is not None

    engines_of = {
        "mongo": (engines.mongo_command(data, ports), ports.mongo),
        "nats": (engines.nats_command(data, ports, load_or_create(data)), ports.nats),
    }
    specs = [
        ChildSpec(name, command, bare, Group.ENGINE, "", partial(accepts_connections, port))
        for name, (command, port) in engines_of.items()
    ] + [
        ChildSpec(d.name, [*argv, str(ports.of(d.name))], bare, d.group, "", partial(answers, ports.of(d.name)))
        for d in DEPLOYABLES
    ]
    supervisor = Supervisor(specs, data / "logs")
    began = time.monotonic()
    try:
        await supervisor.start(60)
        took = round(time.monotonic() - began, 2)
        pids = {name: child.pid for name, child in supervisor.children.items() if child.pid is not None}
        return took, await observe(pids)
    finally:
        await supervisor.stop()
