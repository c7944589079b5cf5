"""The pilot year, played once through the public API, judged by what the platform answers afterwards."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_local.check.command import check_stack
from cme_local.pilot.facts import read_facts
from cme_local.processes import SERVICES
from pymongo import MongoClient

from ..demo_runs import DemoRun, start_demo, stop  # noqa: TID252  (the folders of tests are no packages)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def api(demo: DemoRun) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo.stack()["api"], timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def sandbox(demo: DemoRun, api: httpx.Client) -> httpx.Client:
    client = next(client for client in demo.stack()["clients"] if client["name"] == "sandbox-secret")
    token = api.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
    ).raise_for_status()
    api.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    return api


def read(client: httpx.Client, path: str, **query: str) -> Any:
    return client.get(path, params=query).raise_for_status().json()


def read_all(client: httpx.Client, path: str, **query: str) -> list[Any]:
    page = read(client, path, **query)
    items = page["items"]
    while page["next"]:
        page = read(client, path, **query, after=page["next"])
        items += page["items"]
    return items


def test_the_table_has_the_figures_of_the_facts(demo: DemoRun) -> None:
    table, expected = demo.table(), read_facts().expected

    for name in ("applications", "offers", "started", "completed", "unit_badges", "programme_badges", "revoked"):
        assert table[name] == getattr(expected, name), name
    assert table["clusters_contacted"] >= 120
    assert table["clusters_aware"] >= 100
    assert table["dead_letters"] == 0
    assert table["events_published"] > 0
    assert table["events_applied"] > 0
    assert len(table["trace_id"]) == 32
    assert set(table["samples"]) == {"unit_badge", "programme_badge", "revoked_badge", "course"}


def test_the_table_agrees_with_what_the_services_answer(demo: DemoRun, sandbox: httpx.Client) -> None:
    table = demo.table()
    call = read(sandbox, "/enrolment/v1/calls")["items"][0]
    awards = read_all(sandbox, "/credentials/v1/awards")
    aware = read(sandbox, "/outreach/v1/indicators/clusters-aware")
    figures = [
        read(sandbox, f"/{service}/v1/operations/figures")
        for service in ("enrolment", "curriculum", "assessment", "credentials", "outreach")
    ]

    assert len(read_all(sandbox, f"/enrolment/v1/calls/{call['call_id']}/applications")) == table["applications"]
    assert call["seats_taken"] == table["started"]
    assert sum(award["kind"] == "unit" for award in awards) == table["unit_badges"]
    assert sum(award["kind"] == "programme" for award in awards) == table["programme_badges"]
    assert sum(award["edition"] - 1 for award in awards) == table["revoked"]
    assert aware["value"] == table["clusters_aware"]
    for name in ("events_published", "events_applied", "dead_letters"):
        assert sum(figure[name] for figure in figures) == table[name]
    assert not any(figure["events_pending"] for figure in figures)


@pytest.mark.parametrize("name", ["unit_badge", "programme_badge", "revoked_badge", "course"])
def test_a_sample_answers_a_program_with_json_and_a_browser_with_a_page(
    demo: DemoRun, api: httpx.Client, name: str
) -> None:
    url = demo.table()["samples"][name]

    document = api.get(url, headers={"Accept": "application/json"})
    page = api.get(url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert document.status_code == page.status_code == 200
    assert document.json()
    assert page.headers["content-type"].startswith("text/html")


def test_badges_verify_and_the_revoked_one_fails_on_its_status_only(demo: DemoRun, api: httpx.Client) -> None:
    samples = demo.table()["samples"]

    def verify(name: str) -> Any:
        return api.post("/credentials/v1/verification", json={"url": samples[name]}).raise_for_status().json()

    assert verify("unit_badge")["verified"]
    assert verify("programme_badge")["verified"]
    revoked = verify("revoked_badge")
    assert not revoked["verified"]
    assert [check["check"] for check in revoked["checks"] if check["result"] != "passed"] == ["status"]


def test_one_trace_leads_from_the_application_to_the_badge(demo: DemoRun) -> None:
    stack = demo.stack()
    url = f"{stack['urls']['otlp']}/api/traces/{demo.table()['trace_id']}"
    token = {"Authorization": f"Bearer {stack['operations_token']}"}

    trace = httpx.get(url, headers=token, trust_env=False).raise_for_status().json()

    services = {span["service"] for span in trace["spans"]}
    names = " ".join(span["name"] for span in trace["spans"])
    assert services == {"gateway", "enrolment", "curriculum", "assessment", "credentials", "outreach"}
    assert "application.submitted" in names
    assert "credit.recognised" in names
    assert "credential.issued" in names


def events_with_personal_data(demo: DemoRun) -> int:
    with MongoClient[dict[str, Any]](demo.stack()["urls"]["mongo"]) as client:
        personal = {"nats_subject": {"$regex": "^cme\\.personal\\."}}
        return sum(client[service].outbox.count_documents(personal) for service in SERVICES)


def test_the_auditor_reads_every_record_of_the_year_and_finds_nothing_broken(demo: DemoRun, tmp_path: Path) -> None:
    file = tmp_path / "report.json"

    code = check_stack(demo.stack_file.parent, file, wait=10)

    report = json.loads(file.read_text())
    assert code == 0, report
    checked = {invariant["name"]: invariant["checked"] for invariant in report["invariants"]}
    assert checked["outbox_published"] == demo.table()["events_published"]
    # The services' and the gateway's, which applies every event without personal data to tell partners of it.
    told_of = checked["outbox_published"] - events_with_personal_data(demo)
    assert checked["inbox_complete"] == demo.table()["events_applied"] + told_of
    # Nobody is erased in the pilot year.
    assert [name for name, count in checked.items() if not count] == ["erasures"]


def test_an_interrupted_demonstration_leaves_nothing_behind(tmp_path: Path) -> None:
    run = start_demo(tmp_path)
    try:
        run.eventually(run.stack_file.exists, 120)
        started = run.children()

        run.process.send_signal(signal.SIGINT)
        code = run.process.wait(60)
    finally:
        stop(run)

    assert code == 130
    assert not [child for child in started if child.is_running()]
