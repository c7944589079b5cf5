"""What the gateway counts, and who may read it."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

NAME = "http_server_request_duration_seconds_count"


def counted(text: str) -> set[tuple[str, str, str]]:
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == NAME]
    keys = ("http_request_method", "http_route", "http_response_status_code")
    return {(s.labels[keys[0]], s.labels[keys[1]], s.labels[keys[2]]) for s in samples}


def test_requests_are_counted_by_the_row_of_the_table_and_by_the_route(gateway: Any) -> None:
    operator = gateway.bearer(gateway.machine("operations:read", "enrolment.applications:read"))
    gateway.http.get("/enrolment/v1/applications/app_zq4711", headers=operator)
    gateway.http.get("/enrolment/v1/applications/app_zq4711")
    gateway.http.get("/.well-known/did.json")
    gateway.http.get("/gateway/v1/clients/client-zq4711", headers=operator)
    gateway.http.get("/docs//zq4711")
    gateway.http.get("/nobody/zq4711")

    text = gateway.http.get("/metrics", headers=operator).text

    assert {
        ("GET", "/enrolment/{path}", "200"),
        ("GET", "/enrolment/{path}", "401"),
        ("GET", "/.well-known/did.json", "200"),
        ("GET", "(none)", "400"),
        ("GET", "(none)", "404"),
        ("POST", "/oauth/token", "200"),
    } <= counted(text)
    assert "zq4711" not in text
    assert "process_resident_memory_bytes" in text


def test_the_figures_of_the_public_port_are_for_operators(gateway: Any) -> None:
    without = gateway.http.get("/metrics")
    other = gateway.http.get("/metrics", headers=gateway.bearer(gateway.machine("enrolment.applications:read")))

    assert (without.status_code, other.status_code) == (401, 403)
    assert without.headers["WWW-Authenticate"].startswith("Bearer resource_metadata=")
