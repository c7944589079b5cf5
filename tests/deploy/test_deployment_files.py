"""What is deployed elsewhere is what runs here: compose, image, Kubernetes and engine files agree with the one table."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from cme_local import environment
from cme_local.bus_users import nats_permissions
from cme_local.processes import DEPLOYABLES, SERVICES, Deployable, Ports
from cme_local.secrets import load_or_create

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
MANIFESTS = sorted((ROOT / "deploy/k8s").glob("*.yaml"))
BY_NAME = pytest.mark.parametrize("deployable", DEPLOYABLES, ids=lambda deployable: deployable.name)


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def filled_env() -> dict[str, str]:
    printed = run("sh", "deploy/compose/make-env.sh")
    assert printed.returncode == 0, printed.stderr
    lines = [line for line in printed.stdout.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def manifest_of(name: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / f"deploy/k8s/{name}.yaml").read_text(encoding="utf-8"))
    return next(document for document in documents if document["kind"] == kind)


def container_of(name: str) -> dict[str, Any]:
    container: dict[str, Any] = manifest_of(name, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return container


def local_settings(deployable: Deployable, folder: Path) -> set[str]:
    env = environment.for_deployable(deployable, folder, Ports(8800), load_or_create(folder))
    return {key for key in env if key.startswith(("CME_", "OTEL_"))}


def test_the_compose_file_follows_its_schema() -> None:
    checked = run(SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_a_kubernetes_manifest_follows_its_schema(manifest: Path) -> None:
    checked = run(SCRIPTS / "kubernetes-validate", "--strict", manifest)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_deployable_and_every_engine_is_named(compose: dict[str, Any]) -> None:
    engines = {"mongo", "nats", "otel-collector", "jaeger", "prometheus", "grafana", "mailpit"}

    assert {d.name for d in DEPLOYABLES} | engines <= set(compose["services"])
    assert {d.name for d in DEPLOYABLES} < {path.stem for path in MANIFESTS}


@BY_NAME
def test_each_start_command_is_the_one_of_the_local_stack(compose: dict[str, Any], deployable: Deployable) -> None:
    service = compose["services"][deployable.name]

    assert tuple(service["command"]) == deployable.command
    assert tuple(container_of(deployable.name)["command"]) == deployable.command
    assert service["build"]["args"] == {"PACKAGE": deployable.package, "MODULE": deployable.module}
    image_command = re.search(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert image_command is not None
    assert yaml.safe_load(image_command[1]) == ["sh", "-c", "exec python -m ${MODULE}"]


@BY_NAME
def test_each_container_gets_the_settings_that_the_local_stack_sets(
    compose: dict[str, Any], deployable: Deployable, tmp_path: Path
) -> None:
    # The image itself listens on every address of the container, port 8080.
    wanted = local_settings(deployable, tmp_path) - {"CME_HOST", "CME_PORT"}

    assert set(compose["services"][deployable.name]["environment"]) == wanted
    assert {entry["name"] for entry in container_of(deployable.name)["env"]} == wanted


@BY_NAME
def test_a_deployable_runs_without_privileges(compose: dict[str, Any], deployable: Deployable) -> None:
    service = compose["services"][deployable.name]
    pod = manifest_of(deployable.name, "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert re.search(r"^USER 10001$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["healthcheck"]["test"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["resources"]["limits"]["memory"]


def test_images_are_pinned_by_version(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values() if "image" in service]

    assert len(images) == 8
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images)


def test_secrets_come_from_the_environment_and_have_no_default(
    compose: dict[str, Any], filled_env: dict[str, str]
) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = re.findall(r"(?<!\$)\$\{(\w+)(:\?)?", text)

    mounted = {secret["environment"] for secret in compose["secrets"].values()}  # required by compose itself
    assert {name for name, _ in used} | mounted == set(filled_env)
    assert all(required for _, required in used)
    assert all(filled_env.values())
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert not re.search(r"^\w*(PASSWORD|SECRET|PEPPER|KEY|KEYFILE)\w*=.+$", example, re.MULTILINE)


def test_files_that_are_mounted_exist(compose: dict[str, Any]) -> None:
    volumes = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    mounted = [ROOT / volume.split(":")[0] for volume in volumes if volume.startswith("./")]

    assert mounted
    assert [path for path in mounted if not path.exists()] == []


def test_nats_accepts_its_configuration(filled_env: dict[str, str]) -> None:
    checked = run(SCRIPTS / "nats-server", "-c", "deploy/nats/nats.conf", "-t", **filled_env)

    assert checked.returncode == 0, checked.stderr
    assert "sync_interval: always" in (ROOT / "deploy/nats/nats.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_nats_permissions_everywhere(service: str) -> None:
    text = (ROOT / "deploy/nats/nats.conf").read_text(encoding="utf-8")
    block = re.search(rf"user: {service}, .*?publish: (\[.*?\])\s+subscribe: (\[.*?\])", text, re.DOTALL)

    assert block is not None
    found = {"publish": yaml.safe_load(block[1]), "subscribe": yaml.safe_load(block[2])}
    assert found == nats_permissions(service)


def test_the_collector_hands_traces_on_and_counts_them() -> None:
    collector = yaml.safe_load((ROOT / "deploy/otel/collector.yaml").read_text(encoding="utf-8"))
    pipelines = collector["service"]["pipelines"]

    for pipeline in pipelines.values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= {*collector[part], *collector["connectors"]}
    assert "spanmetrics" in pipelines["traces"]["exporters"]
    assert pipelines["metrics"]["receivers"] == ["spanmetrics"]


def test_the_dashboard_asks_for_metrics_that_the_collector_makes() -> None:
    dashboard = json.loads((ROOT / "deploy/dashboards/json/requests.json").read_text(encoding="utf-8"))
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])

    assert set(re.findall(r"\bcme_\w+", queries)) == {"cme_calls_total", "cme_duration_milliseconds_bucket"}


def test_shell_scripts_parse() -> None:
    for script in ("cme", "deploy/compose/make-env.sh"):
        assert run("sh", "-n", script).returncode == 0, script
    for script in ("deploy/mongo/start.sh", "deploy/mongo/users.sh"):
        assert run("bash", "-n", script).returncode == 0, script
