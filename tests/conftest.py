"""One demonstration that all tests of this folder look at; it stays up while they do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .demo_runs import DemoRun, start_demo, stop

PLAYED_WITHIN_S = 500


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    folder: Path = tmp_path_factory.mktemp("demo")
    run = start_demo(folder)
    try:
        run.eventually(lambda: "ready:" in run.output, PLAYED_WITHIN_S)
        yield run
    finally:
        stop(run)
