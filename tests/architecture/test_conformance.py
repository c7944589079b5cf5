"""Every row of the conformance tables names a test that exists, or says why there is none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = ("docs/security.md",)
NAMED = re.compile(r"`(test_[a-z0-9_]+)::(test_[a-z0-9_]+)`")
#: How a row begins that has a reason instead of a test.
REASONS = ("Not applicable: ", "Outside: ", "Here: ")


@cache
def names_by_file() -> dict[str, set[str]]:
    """The tests of each file, by its name."""
    found: dict[str, set[str]] = {}
    for folder in ("gateway", "libs", "services", "deploy", "tests"):
        for path in (ROOT / folder).rglob("test_*.py"):
            if "node_modules" not in path.parts:
                nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                names = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
                found.setdefault(path.stem, set()).update(names)
    return found


def rows(table: str) -> list[list[str]]:
    """The cells of every row under a heading `shown by`."""
    found, shown = [], False
    for line in (ROOT / table).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            shown = False
        elif cells[-1] == "shown by":
            shown = True
        elif shown and not set(cells[0]) <= {"-"}:
            found.append(cells)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_shown_by_a_test_or_gives_its_reason(table: str) -> None:
    held = rows(table)
    assert len(held) > 50

    for cells in held:
        named = NAMED.findall(cells[-1])
        assert named or cells[-1].startswith(REASONS), cells[0]
        missing = [f"{file}::{name}" for file, name in named if name not in names_by_file().get(file, set())]
        assert not missing, f"{cells[0]}: {missing}"
        # What is no name of a test here would be a claim that nobody checks.
        assert not re.sub(NAMED, "", cells[-1]).strip(", ") or cells[-1].startswith(REASONS), cells[0]
