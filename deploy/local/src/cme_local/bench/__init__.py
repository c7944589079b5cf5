"""`cme bench NAME`: measurements with their floor or their peer in the same run."""

import asyncio
import json
import os
import platform
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from cme_local.bench import start
from cme_local.errors import UserError
from cme_local.processes import project_root


def run(name: str, *, quick: bool = False) -> int:
    """Measure, print the table, write the JSON. `quick` is for trying: its figures say little."""
    figures = asyncio.run(_measurement(name, quick))
    rows: Sequence[Mapping[str, Any]] = figures["rows"]
    _print_table(rows)
    path = project_root() / ".cme" / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_machine() | figures, indent=1) + "\n", encoding="utf-8")
    for figure, value in figures.items():
        if figure != "rows" and value is not None:
            print(f"{figure.replace('_', ' ')}: {value}")
    print(f"Written to {_shown(path)}")
    return 0


def _measurement(name: str, quick: bool) -> Coroutine[Any, Any, dict[str, Any]]:
    if name == "events":
        from cme_local.bench import events  # noqa: PLC0415 -- it brings the broker's client

        return events.measure(quick=quick)
    if name == "traces":
        from cme_local.bench import traces  # noqa: PLC0415 -- it brings the protobuf of spans

        return traces.measure(quick=quick)
    if name == "oauth":
        from cme_local.bench import oauth  # noqa: PLC0415 -- it brings the gateway's code and signatures

        return oauth.measure(quick=quick)
    if name == "gateway":
        from cme_local.bench import gateway  # noqa: PLC0415 -- it brings the gateway's code and signatures

        return gateway.measure(quick=quick)
    if quick:
        raise UserError(f"There is no quick variant of `bench {name}`.")
    return start.measure()


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "load": [round(x, 2) for x in os.getloadavg()]}


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 -- only a measurement prints a table
    from rich.table import Table  # noqa: PLC0415

    table = Table()
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in rows[0]))
    Console().print(table)
