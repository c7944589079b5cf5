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
from cme_local.bus_users import BUS_USERS, nats_permissions
from cme_local.processes import DEPLOYABLES, SERVICES, Deployable, Ports
from cme_local.secrets import load_or_create

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
MANIFESTS = [*sorted((ROOT / "deploy/k8s").glob("**/*.yaml")), ROOT / "deploy/nats/kubernetes.yaml"]
COMPOSE_FILES = ("docker-compose.yml", "deploy/compose/cluster.yml", "deploy/compose/sandbox.yml")
CLUSTER = {
    "NATS_NAME": "nats-0",
    "NATS_TAG": "host:alpha.example",
    "NATS_ROUTES": '["nats-route://routes:s@nats-1:6222"]',
}
BY_NAME = pytest.mark.parametrize("deployable", DEPLOYABLES, ids=lambda deployable: deployable.name)


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_yaml("docker-compose.yml")


@pytest.fixture(scope="module")
def clustered() -> dict[str, Any]:
    return read_yaml("deploy/compose/cluster.yml")


@pytest.fixture(scope="module")
def sandbox() -> dict[str, Any]:
    return read_yaml("deploy/compose/sandbox.yml")


@pytest.fixture(scope="module")
def filled_env() -> dict[str, str]:
    printed = run("sh", "deploy/compose/make-env.sh")
    assert printed.returncode == 0, printed.stderr
    lines = [line for line in printed.stdout.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def read_yaml(path: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return document


def manifest_of(name: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / f"deploy/k8s/{name}.yaml").read_text(encoding="utf-8"))
    return next(document for document in documents if document["kind"] == kind)


def container_of(name: str) -> dict[str, Any]:
    container: dict[str, Any] = manifest_of(name, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return container


def local_settings(deployable: Deployable, folder: Path) -> set[str]:
    env = environment.for_deployable(deployable, folder, Ports(8800), load_or_create(folder))
    return {key for key in env if key.startswith(("CME_", "OTEL_"))}


def test_the_compose_files_follow_their_schema() -> None:
    checked = run(SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE_FILES)

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
    compose: dict[str, Any], sandbox: dict[str, Any], deployable: Deployable, tmp_path: Path
) -> None:
    # The image itself listens on every address of the container, port 8080.
    wanted = local_settings(deployable, tmp_path) - {"CME_HOST", "CME_PORT"}
    # What the gateway knows of a sandbox comes with the sandbox.
    added = sandbox["services"].get(deployable.name, {}).get("environment", {})

    assert set(compose["services"][deployable.name]["environment"]) | set(added) == wanted
    assert set(added) == {name for name in wanted if name.startswith("CME_SANDBOX_")}
    assert {entry["name"] for entry in container_of(deployable.name)["env"]} == wanted


@pytest.mark.parametrize("service", SERVICES)
def test_the_sandbox_is_the_same_services_on_what_is_its_own(
    compose: dict[str, Any], sandbox: dict[str, Any], service: str
) -> None:
    live, other = compose["services"][service], sandbox["services"][f"sandbox-{service}"]
    settings = other["environment"]

    assert (other["command"], other["build"]) == (live["command"], live["build"])
    assert (other["read_only"], other["cap_drop"]) == (True, ["ALL"])
    assert set(settings) == set(live["environment"])
    assert settings["CME_PUBLIC_URL"] == f"{live['environment']['CME_PUBLIC_URL']}/sandbox"
    assert settings["CME_ISSUER"] == live["environment"]["CME_ISSUER"]
    assert settings["CME_DATABASE_PREFIX"] == environment.SANDBOX_PREFIX
    assert f"//sandbox_{service}:" in settings["CME_MONGO_URL"]
    assert settings["CME_NATS_URL"] != live["environment"]["CME_NATS_URL"]
    upstreams = json.loads(sandbox["services"]["gateway"]["environment"]["CME_SANDBOX_UPSTREAMS"])
    assert upstreams[service] == f"http://sandbox-{service}:8080"


def test_the_sandbox_on_kubernetes_sets_what_the_live_configuration_sets() -> None:
    def data(path: str) -> dict[str, str]:
        documents = yaml.safe_load_all((ROOT / "deploy/k8s" / path).read_text(encoding="utf-8"))
        return next(dict(document["data"]) for document in documents if document["kind"] == "ConfigMap")

    live, other, gateway = (
        data(p) for p in ("configuration.yaml", "sandbox/configuration.yaml", "sandbox/gateway.yaml")
    )

    assert set(other) == set(live)
    assert (other["public-url"], other["issuer"]) == (f"{live['public-url']}/sandbox", live["public-url"])
    assert live["issuer"] == live["public-url"]
    assert other["database-prefix"] == environment.SANDBOX_PREFIX
    assert set(json.loads(gateway["upstreams"])) == set(SERVICES)


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


def test_the_gateways_replicas_share_a_folder_for_their_keys_that_they_write_to(compose: dict[str, Any]) -> None:
    deployment = manifest_of("gateway", "Deployment")["spec"]
    pod, container = deployment["template"]["spec"], container_of("gateway")
    claim = manifest_of("gateway", "PersistentVolumeClaim")

    folder = next(entry["value"] for entry in container["env"] if entry["name"] == "CME_SIGNING_KEYS_DIR")
    mount = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == folder)
    volume = next(volume for volume in pod["volumes"] if volume["name"] == mount["name"])

    assert mount.get("readOnly", False) is False
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert deployment["replicas"] > 1
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    gateway = compose["services"]["gateway"]
    assert f"gateway-keys:{gateway['environment']['CME_SIGNING_KEYS_DIR']}" in gateway["volumes"]


def test_images_are_pinned_by_version(
    compose: dict[str, Any], clustered: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    images = {service["image"] for service in compose["services"].values() if "image" in service}
    more = {service["image"] for service in clustered["services"].values() if "image" in service}

    assert len(images) == 7
    assert more == {compose["services"][engine]["image"] for engine in ("mongo", "nats")}
    sandboxed = {service["image"] for service in sandbox["services"].values() if "image" in service}
    assert sandboxed == {compose["services"]["nats"]["image"]}
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images)


def test_secrets_come_from_the_environment_and_have_no_default(
    compose: dict[str, Any], sandbox: dict[str, Any], filled_env: dict[str, str]
) -> None:
    text = "".join((ROOT / path).read_text(encoding="utf-8") for path in COMPOSE_FILES)
    used = re.findall(r"(?<!\$)\$\{(\w+)(:\?)?", text)

    secrets = {**compose["secrets"], **sandbox["secrets"]}
    mounted = {secret["environment"] for secret in secrets.values()}  # required by compose itself
    assert {name for name, _ in used} | mounted == set(filled_env)
    assert all(required for _, required in used)
    assert all(filled_env.values())
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert not re.search(r"^\w*(PASSWORD|SECRET|PEPPER|KEY|KEYFILE)\w*=.+$", example, re.MULTILINE)


def test_files_that_are_mounted_exist(
    compose: dict[str, Any], clustered: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    services = [service for file in (compose, clustered, sandbox) for service in file["services"].values()]
    volumes = [volume for service in services for volume in service.get("volumes", [])]
    mounted = [ROOT / volume.split(":")[0] for volume in volumes if volume.startswith("./")]

    assert mounted
    assert [path for path in mounted if not path.exists()] == []


@pytest.mark.parametrize("file", ["nats.conf", "cluster.conf"])
def test_nats_accepts_its_configuration(file: str, filled_env: dict[str, str]) -> None:
    checked = run(SCRIPTS / "nats-server", "-c", f"deploy/nats/{file}", "-t", **filled_env, **CLUSTER)

    assert checked.returncode == 0, checked.stderr
    assert "include ./server.conf" in (ROOT / "deploy/nats" / file).read_text(encoding="utf-8")
    assert "sync_interval: always" in (ROOT / "deploy/nats/server.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("missing", [*CLUSTER, "NATS_PASSWORD_ROUTES"])
def test_a_server_of_a_cluster_does_not_start_without_a_setting(missing: str, filled_env: dict[str, str]) -> None:
    variables = {name: value for name, value in (filled_env | CLUSTER).items() if name != missing}

    checked = run(SCRIPTS / "nats-server", "-c", "deploy/nats/cluster.conf", "-t", **variables)

    assert checked.returncode != 0
    assert missing in checked.stderr


def test_a_clustered_compose_has_three_of_each_engine_and_everybody_knows_them(clustered: dict[str, Any]) -> None:
    services = clustered["services"]
    brokers, members = ("nats", "nats-2", "nats-3"), ("mongo", "mongo-2", "mongo-3")

    for name in brokers:
        environment = services[name]["environment"]
        assert environment["NATS_NAME"] == name
        assert re.findall(r"@([\w-]+):6222", environment["NATS_ROUTES"]) == list(brokers)
        assert services[name]["command"] == ["--config", "/etc/nats/cluster.conf"]
    assert services["mongo"]["environment"]["MONGO_MEMBERS"] == ",".join(f"{name}:27017" for name in members)
    for deployable in DEPLOYABLES:
        environment = services[deployable.name]["environment"]
        assert services["mongo"]["environment"]["MONGO_MEMBERS"] in environment["CME_MONGO_URL"]
        assert {*brokers[1:], *members[1:]} == set(services[deployable.name]["depends_on"])
    for deployable in DEPLOYABLES:
        environment = services[deployable.name]["environment"]
        assert environment["CME_NATS_URL"] == ",".join(f"nats://{name}:4222" for name in brokers)
        assert environment["CME_NATS_REPLICAS"] == "3"


def test_the_servers_of_nats_on_kubernetes_have_every_variable_and_a_machine_each() -> None:
    documents = yaml.safe_load_all((ROOT / "deploy/nats/kubernetes.yaml").read_text(encoding="utf-8"))
    stateful = next(document for document in documents if document["kind"] == "StatefulSet")["spec"]
    pod = stateful["template"]["spec"]
    files = [(ROOT / "deploy/nats" / name).read_text(encoding="utf-8") for name in ("cluster.conf", "server.conf")]
    variables = set(re.findall(r"(?<![\w\"])\$([A-Z_]+)", "".join(files)))

    assert variables <= {entry["name"] for entry in pod["containers"][0]["env"]}
    assert stateful["replicas"] == 3
    [rule] = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    for deployable in DEPLOYABLES:
        assert {"name": "CME_NATS_REPLICAS", "value": "3"} in container_of(deployable.name)["env"]


@pytest.mark.parametrize("user", BUS_USERS)
def test_a_user_of_the_bus_has_the_same_permissions_everywhere(user: str) -> None:
    text = (ROOT / "deploy/nats/server.conf").read_text(encoding="utf-8")
    block = re.search(rf"user: {user}, .*?publish: (\[.*?\])\s+subscribe: (\[.*?\])", text, re.DOTALL)

    assert block is not None
    found = {"publish": yaml.safe_load(block[1]), "subscribe": yaml.safe_load(block[2])}
    assert found == nats_permissions(user)


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
