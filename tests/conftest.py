"""One demonstration that all tests of this folder look at; it stays up while they do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .demo_runs import DemoRun, start_demo, stop

PLAYED_WITHIN_S = 500


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "changes_the_demo: leaves the demonstration as others would not find it")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What changes the demonstration comes after all that looks at it, whatever the random order."""
    items.sort(key=lambda item: item.get_closest_marker("changes_the_demo") is not None)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    folder: Path = tmp_path_factory.mktemp("demo")
    run = start_demo(folder)
    try:
        run.eventually(lambda: "ready:" in run.output, PLAYED_WITHIN_S)
        yield run
    finally:
        stop(run)
