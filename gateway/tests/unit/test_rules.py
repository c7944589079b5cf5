"""Rules without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cme_kit.settings import SettingsError
from gateway.accounts.domain import LONGEST_WAIT, wait_after
from gateway.clients.domain import Client, is_redirect_uri
from gateway.edge.allowances import Bounds
from gateway.edge.rates import Rates, TooManyRequests
from gateway.edge.tracing import remote_parent
from gateway.networks import network_of
from gateway.oauth.keys import SigningKeys
from gateway.oauth.scopes import IDENTITY, MACHINE_SCOPES, ROLES, SCOPES
from gateway.peppered import Pepper
from gateway.reference.document import merge
from gateway.settings import Settings

MADE = datetime(2026, 3, 1, tzinfo=UTC)


def a_client(*redirect_uris: str) -> Client:
    return Client("app", "App", redirect_uris, frozenset({"authorization_code"}), "none", frozenset(), MADE)


@pytest.mark.parametrize("uri", ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65000/cb"])
def test_the_port_of_a_loopback_redirect_is_free(uri: str) -> None:
    assert a_client("http://127.0.0.1/cb").may_redirect_to(uri)


@pytest.mark.parametrize("uri", ["https://app.example:1/cb", "https://app.example/cb/", "HTTPS://app.example/cb"])
def test_other_redirects_match_exactly(uri: str) -> None:
    assert not a_client("https://app.example/cb").may_redirect_to(uri)


def test_a_loopback_redirect_is_one_of_ours() -> None:
    assert is_redirect_uri("http://[::1]/cb")
    assert not is_redirect_uri("http://localhost/cb")


@pytest.mark.parametrize(
    "uri",
    [
        *("https://app.example;sandbox/cb", "https://a,default-src/cb", "https://*/cb", "https://a'b/cb"),
        *("https://user@app.example/cb", "https://app.example:99999/cb", "https://[::1/cb", "https:///cb", "https:/cb"),
        *("http://127.0.0.1/cb\n", "http://127.0.0.1@evil.example/cb", "http://127.0.0.1:65536/cb", "//app.example/cb"),
        *("https://app.example/cb#part", "https://app.example/c b", "javascript:alert(1)"),
    ],
)
def test_what_browsers_could_read_otherwise_is_no_redirect(uri: str) -> None:
    assert not is_redirect_uri(uri)
    assert not a_client("http://127.0.0.1/cb").may_redirect_to(uri)


@pytest.mark.parametrize("uri", ["https://app.example/cb?x=1", "https://[2001:db8::1]:8443/cb", "https://app.example"])
def test_every_https_address_may_be_a_redirect(uri: str) -> None:
    assert is_redirect_uri(uri)


def test_every_scope_of_a_role_is_in_the_table_and_no_role_is_a_machine() -> None:
    granted = frozenset().union(*ROLES.values())

    assert granted <= set(SCOPES)
    assert not granted & MACHINE_SCOPES
    assert granted | MACHINE_SCOPES | IDENTITY == set(SCOPES)


def test_waiting_doubles_after_five_failures_and_ends() -> None:
    assert [wait_after(count) for count in (4, 5, 6, 7)] == [timedelta(seconds=seconds) for seconds in (0, 1, 2, 4)]
    assert wait_after(1000) == LONGEST_WAIT


def test_a_rate_allows_a_burst_then_the_steady_rate() -> None:
    now = 100.0
    rates, bounds = Rates(lambda: now), Bounds.of(10, 5, 100)

    left = [rates.take("a", bounds) for _ in range(5)]
    with pytest.raises(TooManyRequests) as refused:
        rates.take("a", bounds)
    rates.take("b", bounds)
    now += 0.1001

    assert left == [b'"default";r=%d;t=1' % remaining for remaining in (4, 3, 2, 1, 0)]
    assert refused.value.headers["Retry-After"] == "1"
    assert rates.take("a", bounds) == b'"default";r=0;t=1'


def test_parts_of_a_peppered_value_do_not_run_together() -> None:
    pepper = Pepper("a pepper of the tests")

    assert pepper.derive("p", "ab", "c") != pepper.derive("p", "a", "bc")
    assert pepper.derive("p", "a") != pepper.derive("q", "a")
    assert pepper.matches(pepper.derive("p", "a"), "p", "a")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
        b"00-" + b"a" * 32 + b"-" + b"0" * 16 + b"-01",
        b"ff-" + b"a" * 32 + b"-" + b"1" * 16 + b"-01",
        b"00-" + b"A" * 32 + b"-" + b"1" * 16 + b"-01",
    ],
)
def test_what_is_no_traceparent_continues_nothing(sent: bytes | None) -> None:
    assert remote_parent(sent) is None


def test_a_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    first, second = SigningKeys(tmp_path), SigningKeys(tmp_path)

    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.public() == second.public()
    assert "d" not in first.public()["keys"][0]


def test_merged_components_keep_apart_and_references_follow() -> None:
    def part(kind: str) -> dict[str, Any]:
        reference = {"$ref": "#/components/schemas/Thing"}
        answer = {"description": "", "content": {"application/json": {"schema": reference}}}
        return {
            "info": {"title": kind},
            "paths": {f"/{kind}/v1/things": {"get": {"operationId": "list", "responses": {"200": answer}}}},
            "components": {"schemas": {"Thing": {"type": kind}}},
        }

    merged = merge({"a": part("string"), "b": part("integer")}, "http://cme.example")

    assert merged["components"]["schemas"] == {
        "a.Thing": {"type": "string", "title": "AThing"},
        "b.Thing": {"type": "integer", "title": "BThing"},
    }
    operation = merged["paths"]["/integer/v1/things"]["get"]
    assert operation["operationId"] == "b.list"
    assert (
        operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/b.Thing"
    )


def test_an_unknown_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_NO_SUCH_THING", "1")

    with pytest.raises(SettingsError, match="CME_NO_SUCH_THING"):
        Settings.load()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_subscriber_are_counted_together(address: str, network: str) -> None:
    assert network_of(address) == network
