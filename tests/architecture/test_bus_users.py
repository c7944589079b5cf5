"""What a service may read from the bus is what it subscribes to."""

import importlib
import inspect
from unittest.mock import Mock

import pytest
from cme_kit.streams import stream_of
from cme_local.bus_users import CONSUMED
from cme_local.processes import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_read_the_streams_of_its_subscriptions_and_no_other(service: str) -> None:
    table = importlib.import_module(f"{service}.subscriptions").subscriptions
    rows = table(*(Mock() for _ in inspect.signature(table).parameters))

    assert CONSUMED[service] == tuple(sorted({stream_of(row.event_type) for row in rows}))
