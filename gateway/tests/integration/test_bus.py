"""The gateway does its work while the broker is away."""

from __future__ import annotations

from collections.abc import Callable

from cme_kit.testing import free_port

from .conftest import Gateway


def test_it_starts_issues_tokens_and_passes_requests_on_without_a_broker(
    another_gateway: Callable[..., Gateway],
) -> None:
    gateway = another_gateway(nats_url=f"nats://127.0.0.1:{free_port()}")

    client = gateway.machine()
    answer = gateway.http.get("/enrolment/v1/learners", headers=gateway.bearer(client))

    assert answer.status_code == 200
    assert gateway.http.get("/health/ready").status_code == 200
