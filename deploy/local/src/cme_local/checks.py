"""`cme test`: the one list of what must hold, in the order of what fails fastest; pytest's summary comes last."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cme_local.alone import run_alone
from cme_local.errors import UserError
from cme_local.processes import project_root

UNIT_TESTS = ("contracts/tests/unit", "libs/*/tests/unit", "services/*/tests/unit", "gateway/tests/unit")
FAST_TESTS = ("tests/architecture", *UNIT_TESTS, "deploy/local/tests/unit")
#: The deployables' own tests run before, each in an environment of its own.
ALL_TESTS = ("contracts", "libs", "deploy", "tests")


@dataclass(frozen=True)
class Step:
    """A command that must succeed before the tests run."""

    name: str
    argv: Sequence[str]
    fast: bool = True
    folder: Path = Path()
    needed: Callable[[], bool] = lambda: True
    # Changes the machine, so it runs by itself in CI only; elsewhere the person is told the command.
    installs: bool = False


def _tool(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _no_browser() -> bool:
    return shutil.which("chromium") is None


def steps(root: Path) -> list[Step]:
    """Everything before pytest."""
    javascript = [
        Step(f"JavaScript of {lock.parent.name}", ("npm", "ci", "--no-audit", "--no-fund"), False, lock.parent)
        for lock in sorted([*root.glob("tests/**/package-lock.json"), *root.glob("gateway/tests/**/package-lock.json")])
        if "node_modules" not in lock.parts
    ]
    return [
        Step("lint", (_tool("ruff"), "check")),
        Step("format", (_tool("ruff"), "format", "--check")),
        Step("dependency rules", (_tool("lint-imports"),)),
        Step("contracts", (sys.executable, "-m", "cme_local", "contracts", "--check"), fast=False),
        Step("types", (_tool("mypy"),), fast=False),
        *javascript,
        Step("package index", ("apt-get", "update", "-qq"), False, needed=_no_browser, installs=True),
        Step("browser", ("apt-get", "install", "-y", "-qq", "chromium"), False, needed=_no_browser, installs=True),
    ]


def run_checks(fast: bool, pytest_arguments: Sequence[str]) -> int:
    """Run every step, then pytest; the exit code of the first failure."""
    root = project_root()
    for step in steps(root):
        if (fast and not step.fast) or not step.needed():
            continue
        if step.installs and os.environ.get("CI") != "true":
            raise UserError("The page tests need a browser. Install it by: apt-get install -y chromium")
        code = _run(step, root)
        if code != 0:
            return code
    chosen = any((root / argument.partition("::")[0]).exists() for argument in pytest_arguments)
    patterns = () if chosen else FAST_TESTS if fast else ALL_TESTS
    paths = [str(path.relative_to(root)) for pattern in patterns for path in sorted(root.glob(pattern))]
    pytest = [sys.executable, "-m", "pytest", *pytest_arguments, *paths]
    if fast or chosen:
        return subprocess.run(pytest, cwd=root, check=False).returncode
    # Two cores are the least we work on: the deployables alone on one, what crosses them on the other.
    with ThreadPoolExecutor(1) as beside:
        alone = beside.submit(run_alone, root)
        code, summary = _told(pytest, root)
        code = code or alone.result()
    print(summary, flush=True)
    return code


def _told(argv: Sequence[str], root: Path) -> tuple[int, str]:
    """Run and print what a command says; its exit code and its last line."""
    last = ""
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True, bufsize=1) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return running.returncode, last


def _run(step: Step, root: Path) -> int:
    began = time.monotonic()
    try:
        code = subprocess.run(step.argv, cwd=root / step.folder, stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        raise UserError(f"{step.argv[0]} is not installed, and the step '{step.name}' needs it.") from None
    result = "ok" if code == 0 else f"FAILED (exit code {code}): {' '.join(step.argv)}"
    print(f"{step.name}: {result}, {time.monotonic() - began:.1f} s", flush=True)
    return code
