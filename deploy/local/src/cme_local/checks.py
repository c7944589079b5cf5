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

from cme_local.alone import DEPLOYABLES, run_alone, run_part, told_when_done
from cme_local.errors import UserError
from cme_local.processes import project_root

UNIT_TESTS = ("contracts/tests/unit", "libs/*/tests/unit", "services/*/tests/unit", "gateway/tests/unit")
FAST_TESTS = ("tests/architecture", *UNIT_TESTS, "deploy/local/tests/unit")
#: What is neither a deployable, which is tried in an environment of its own, nor crosses them.
LIBRARIES = ("contracts", "libs", "deploy")
PYTEST = (sys.executable, "-m", "pytest")


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
    if fast or chosen:
        paths = () if chosen else _paths(root, FAST_TESTS)
        return subprocess.run([*PYTEST, *pytest_arguments, *paths], cwd=root, check=False).returncode
    return _all_at_once(root, pytest_arguments)


def _all_at_once(root: Path, pytest_arguments: Sequence[str]) -> int:
    """Everything, in four lanes: tests mostly wait, and two cores are the least we work on. The first failure's code.

    The gateway has as many tests as all else, so half of them are tried where the libraries were before.
    """
    services = [name for name in DEPLOYABLES if name != "gateway"]
    libraries = [*PYTEST, "-q", *pytest_arguments, *_paths(root, LIBRARIES)]

    def libraries_and_half_of_the_gateway() -> int:
        code = told_when_done("libraries and tools", [libraries], root, os.environ)
        return run_part(root, "gateway", 1, 2) or code

    with ThreadPoolExecutor() as beside:
        lanes = [
            beside.submit(run_part, root, "gateway", 0, 2),
            beside.submit(libraries_and_half_of_the_gateway),
            beside.submit(run_alone, root, services),
        ]
        code, summary = _told([*PYTEST, *pytest_arguments, "tests"], root)
        codes = [code, *(lane.result() for lane in lanes)]
    print(summary, flush=True)
    return next((code for code in codes if code), 0)


def _paths(root: Path, patterns: Sequence[str]) -> list[str]:
    return [str(path.relative_to(root)) for pattern in patterns for path in sorted(root.glob(pattern))]


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
