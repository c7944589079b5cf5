"""`python -m tests.faults`: what `./cme faults` runs."""

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import experiments  # noqa: F401  (registers them)
from .outcome import Row
from .report import as_markdown, as_table
from .scene import REGISTRY
from .suite import run_all


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("cme faults", description="Experiments that break the platform and compare sets.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments (all)")
    parser.add_argument("--seed", type=int, help="repeat a run")
    parser.add_argument("--rounds", type=int, metavar="N", help="repeat the fault of each experiment N times")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="M", help="how long a soak goes on (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the result (.cme/faults/)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="replace the table between this file's markers")
    parser.add_argument("--broken", choices=["outbox", "inbox"], help="take this part away: the comparison must see it")
    parser.add_argument("--list", action="store_true", help="name every experiment")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; 0 when nothing was lost, duplicated or violated."""
    asked = _arguments()
    if asked.list:
        for one in REGISTRY.values():
            print(f"{one.name:<28} {one.text}")
        return 0
    unknown = [name for name in asked.names if name not in REGISTRY]
    if unknown:
        print(f"cme: no experiment is called {', '.join(unknown)}; `./cme faults --list` names them", file=sys.stderr)
        return 2
    seed = asked.seed if asked.seed is not None else random.SystemRandom().getrandbits(31)
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    chosen = [REGISTRY[name] for name in asked.names] or [one for one in REGISTRY.values() if not one.only_by_name]
    if asked.broken:
        chosen = [replace(one, without=asked.broken) for one in chosen]
    rows = asyncio.run(run_all(chosen, seed, asked.rounds, asked.minutes))
    print(as_table(rows))
    print(f"{len(rows)} experiments in {time.monotonic() - began:.0f} s, seed {seed}")
    options = [f"--{name} {given}" for name in ("rounds", "broken") if (given := getattr(asked, name))]
    _write(asked, seed, rows, " ".join(["./cme faults", *asked.names, *options, f"--seed {seed}"]))
    return 0 if all(row.holds for row in rows) else 1


def _write(asked: argparse.Namespace, seed: int, rows: list[Row], command: str) -> None:
    file: Path = asked.json or Path(".cme/faults") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {"command": command, "seed": seed, "broken": asked.broken, "rows": [row.as_json() for row in rows]}
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {file}")
    if asked.markdown:
        page = asked.markdown.read_text(encoding="utf-8")
        asked.markdown.write_text(as_markdown(page, rows, command), encoding="utf-8")


sys.exit(main())
