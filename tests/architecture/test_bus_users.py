"""What a service may read from the bus is what it subscribes to."""

import importlib
import inspect
from unittest.mock import Mock

import pytest
from cme_kit.streams import stream_of
from cme_local.bus_users import CONSUMED
from cme_local.processes import SERVICES
from gateway.webhooks.assembly import subscribed


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_read_the_streams_of_its_subscriptions_and_no_other(service: str) -> None:
    table = importlib.import_module(f"{service}.subscriptions").subscriptions
    rows = table(*(Mock() for _ in inspect.signature(table).parameters))

    assert CONSUMED[service] == tuple(sorted({stream_of(row.event_type) for row in rows}))


def test_the_gateway_may_read_the_streams_of_what_webhooks_tell_of_and_nothing_personal() -> None:
    consumed = subscribed()

    assert CONSUMED["gateway"] == tuple(sorted({stream_of(event_type) for event_type in consumed}))
    assert not any(event_type.personal_data for event_type in consumed)
