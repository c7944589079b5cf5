"""Rules and dashboards ask for figures that exist, in a language that parses; each alarm says what to do."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from cme_kit.metrics import exposition
from gateway.webhooks import figures
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "deploy/otel/rules/cme.yml").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((ROOT / "deploy/otel/prometheus.yml").read_text(encoding="utf-8"))
BOARDS = sorted((ROOT / "deploy/dashboards/json").glob("*.json"))
ALL_RULES: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
ALARMS = [rule for rule in ALL_RULES if "alert" in rule]
#: What the span metrics connector of the collector makes (deploy/otel/collector.yaml), and Prometheus itself.
ELSEWHERE = {"cme_calls_total", "cme_duration_milliseconds_bucket", "up"}


def existing() -> set[str]:
    """Every series that a process exposes, those of histograms and counters without a label value yet included."""
    assert figures.ATTEMPTS  # declared by being imported
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    families = text_string_to_metric_families(exposition()[0].decode())
    return {family.name + suffix for family in families for suffix in suffixes.get(family.type, ("",))}


def asked_for(expression: str) -> set[str]:
    """The names of the series in an expression. Raises ValueError when it is no PromQL."""
    promql_parser.parse(expression)
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|on|without)\s*\([^)]*\)|\[[^\]]*\]', "", expression)
    return {name for name in re.findall(r"[a-zA-Z_:][\w:]*(?!\w*\s*\()", bare) if name not in {"and", "or", "unless"}}


def expressions() -> list[tuple[str, str]]:
    rules = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in ALL_RULES]
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in BOARDS]
    panels = [(panel["title"], target["expr"]) for b in boards for panel in b["panels"] for target in panel["targets"]]
    return rules + panels


def anchors() -> dict[str, str]:
    """The entries of the section "Alarms" by their anchor."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    entries = re.split(r"^### ", section, flags=re.MULTILINE)[1:]
    return {title.strip().lower(): body for title, _, body in (entry.partition("\n") for entry in entries)}


@pytest.mark.parametrize(("name", "expression"), expressions())
def test_an_expression_parses_and_asks_for_series_that_exist(name: str, expression: str) -> None:
    recorded = {rule["record"] for rule in ALL_RULES if "record" in rule}

    names = asked_for(expression)

    assert names, name
    assert names <= existing() | recorded | ELSEWHERE


def test_the_parser_refuses_what_is_no_query() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        asked_for("sum by (service (up)")
    assert asked_for("rate(cme_no_such_total[5m]) > 1") == {"cme_no_such_total"}


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm["alert"])
def test_an_alarm_leads_to_its_entry_with_a_command(alarm: dict[str, Any]) -> None:
    page, _, anchor = alarm["annotations"]["runbook_url"].partition("#")

    assert page == "docs/operations.md"
    assert anchor == alarm["alert"].lower()
    assert re.search(r"`[^`]+`", anchors()[anchor])
    assert alarm["annotations"]["summary"]
    assert alarm["labels"]["severity"] in {"page", "warning"}


def test_every_entry_belongs_to_an_alarm() -> None:
    assert set(anchors()) == {alarm["alert"].lower() for alarm in ALARMS}


def test_prometheus_reads_the_rules_and_every_deployable() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["prometheus"]["volumes"])
    targets = {t.partition(":")[0] for job in PROMETHEUS["scrape_configs"] for t in job["static_configs"][0]["targets"]}
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}

    assert PROMETHEUS["rule_files"] == [f"{mounts['./deploy/otel/rules']}/*.yml"]
    assert {"enrolment", "curriculum", "assessment", "credentials", "outreach", "gateway", "otel-collector"} == targets
    assert jobs["gateway"]["oauth2"]["scopes"] == ["operations:read"]
    secret = Path(jobs["gateway"]["oauth2"]["client_secret_file"]).name
    assert compose["services"]["prometheus"]["secrets"] == [secret]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    sources = yaml.safe_load((ROOT / "deploy/dashboards/provisioning/datasources/cme.yaml").read_text(encoding="utf-8"))
    known = {(source["type"], source["uid"]) for source in sources["datasources"]}
    ids = [panel["id"] for panel in board["panels"]]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]

    assert board["uid"] == f"cme-{path.stem}"
    assert len(set(ids)) == len(ids)
    assert len(set(places)) == len(places)
    assert {(panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in board["panels"]} <= known
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])
