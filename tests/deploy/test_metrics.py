"""Every service answers a scraper with the figures that rules and dashboards ask for."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from cme_kit.testing import Bus, Engines, Tokens, running
from cme_local.processes import SERVICES
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client.parser import text_string_to_metric_families

PROMISED = {
    "http_server_request_duration_seconds": "histogram",
    "cme_events_published": "counter",
    "cme_publish_failures": "counter",
    "cme_outbox_pending": "gauge",
    "cme_outbox_oldest_seconds": "gauge",
    "cme_relay_leader": "gauge",
    "cme_events_applied": "counter",
    "cme_event_apply_seconds": "histogram",
    "cme_event_retries": "counter",
    "cme_event_gaps": "counter",
    "cme_dead_letters_buried": "counter",
    "cme_dead_letters": "gauge",
    "cme_consumer_lag": "gauge",
    "cme_consumer_redelivered": "gauge",
    "cme_engine_up": "gauge",
    "process_cpu_seconds": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_open_fds": "gauge",
}


def settings_of(service: str, engines: Engines, home: Path) -> Any:
    """The settings of a service on these engines; what is its own gets a value that fits."""
    own: dict[str, dict[str, Any]] = {
        "credentials": {"signing_key_file": home / "key.pem"},
        "outreach": {
            "smtp_host": "127.0.0.1",
            "smtp_port": 9,
            "mail_from": "a@example.org",
            "address_key": "none" * 16,
        },
    }
    return engines.settings(importlib.import_module(f"{service}.settings").Settings, **own.get(service, {}))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_exposes_every_promised_figure(
    service: str, engines: Engines, bus: Bus, tokens: Tokens, tmp_path: Path
) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    app = importlib.import_module(f"{service}.app").build(settings_of(service, engines, tmp_path))

    async with running(app, tokens) as started:
        await started.http.get("/health/live")
        answer = await started.http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {name: families[name].type for name in PROMISED} == PROMISED
    lag = {sample.labels["stream"] for sample in families["cme_consumer_lag"].samples}
    assert lag == set(app.state.platform.consumers.streams)
