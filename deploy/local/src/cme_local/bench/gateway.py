"""`cme bench gateway`: what the gateway adds to a request, side by side with the service behind it."""

import statistics
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]

from cme_local.errors import StackError
from cme_local.processes import Ports
from cme_local.run import running_stack
from cme_local.stack import Stack

PORT_BASE = 28900
ROUNDS = 20
REQUESTS = 100
WARM_UP = 200
SERVICE = "curriculum"
PATH = f"/{SERVICE}/v1/catalogue/changes"


async def measure() -> dict[str, Any]:
    """One client, one request at a time; rounds alternate, so that what else the machine does hits both alike."""
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as folder:
        async with running_stack(Ports(PORT_BASE), Path(folder) / "data") as running:
            return await _compare(running.stack)


async def _compare(stack: Stack) -> dict[str, Any]:
    urls = {"direct": f"{stack.urls[SERVICE]}{PATH}", "gateway": f"{stack.api}{PATH}"}
    times: dict[str, list[float]] = {name: [] for name in urls}
    cpu: dict[str, float] = dict.fromkeys(urls, 0.0)
    processes = {"direct": [SERVICE], "gateway": [SERVICE, "gateway"]}
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {await _token(http, stack)}"}
        for url in urls.values():
            await _ask(http, url, headers, WARM_UP)
        for _ in range(ROUNDS):
            for name, url in urls.items():
                watched = [psutil.Process(stack.pid(process)) for process in processes[name]]
                before = _cpu(watched)
                times[name] += await _ask(http, url, headers, REQUESTS)
                cpu[name] += _cpu(watched) - before
    rows = [_row(name, times[name], cpu[name]) for name in urls]
    added = {key: round(rows[1][key] - rows[0][key], 3) for key in rows[0] if key != "way"}
    return {
        "rows": [*rows, {"way": "added"} | added],
        "path": PATH,
        "requests": ROUNDS * REQUESTS,
        "at_most_p50_ms": 1.0,
    }


async def _token(http: aiohttp.ClientSession, stack: Stack) -> str:
    client = stack.client("eccp-harvester")
    assert client.client_secret is not None
    async with http.post(
        f"{stack.api}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=aiohttp.BasicAuth(client.client_id, client.client_secret),
    ) as answer:
        token: str = (await answer.json())["access_token"]
        return token


async def _ask(http: aiohttp.ClientSession, url: str, headers: dict[str, str], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        async with http.get(url, headers=headers) as answer:
            await answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != HTTPStatus.OK:
            raise StackError(f"GET {url} answered {answer.status}, so there is nothing to compare")
    return times


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _row(way: str, times: list[float], cpu: float) -> dict[str, Any]:
    return {
        "way": way,
        "p50 ms": round(statistics.median(times) * 1000, 3),
        "p99 ms": round(statistics.quantiles(times, n=100)[98] * 1000, 3),
        "CPU ms per request": round(cpu / len(times) * 1000, 3),
    }
