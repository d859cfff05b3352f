"""A cluster in compose: one image, walled in, complete, and with commands that Dask takes."""

import re
from typing import Any

import pytest
import yaml

from batch_issuer.settings import Settings, load_settings
from tests.deploy import dask_commands
from tests.deploy.command_lines import DEPLOY, ROOT
from tests.deploy.manifests import documents

KUBERNETES = DEPLOY / "kubernetes" / "cluster"


@pytest.fixture
def services() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return read


CLUSTER = ("scheduler", "worker", "cluster-issuer")


def test_one_image_serves_all_of_the_cluster(services: dict[str, Any]) -> None:
    assert {services[name]["image"] for name in CLUSTER} == {services["issuer"]["image"]}
    assert {(services[name]["build"], *services[name]["profiles"]) for name in CLUSTER} == {(".", "cluster")}
    assert "cluster" in services["postgres"]["profiles"]


def test_the_image_holds_what_a_cluster_takes() -> None:
    assert "-r requirements.lock" in (ROOT / "Dockerfile").read_text()
    locked = re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {"dask", "distributed", "fsspec"} <= set(locked)


def test_the_workers_have_what_whoever_issues_has_and_the_scheduler_nothing(services: dict[str, Any]) -> None:
    def ours(name: str) -> dict[str, str]:
        return {k: v for k, v in services[name]["environment"].items() if k.startswith("BATCH_ISSUER_")}

    issuing = ours("cluster-issuer")
    assert issuing.pop("BATCH_ISSUER_ENGINE") == "dask://scheduler:8786"
    assert ours("worker") == issuing == services["team-issuer"]["environment"]
    assert ours("scheduler") == {}
    assert load_settings(environ=services["cluster-issuer"]["environment"]).engine == "dask://scheduler:8786"


def test_the_containers_agree_on_where_the_scheduler_is(services: dict[str, Any]) -> None:
    scheduler, worker = (dask_commands.parse(services[name]["command"]) for name in ("scheduler", "worker"))
    assert worker["scheduler"] == f"tcp://scheduler:{scheduler['port']}"
    assert services["scheduler"]["entrypoint"] == services["worker"]["entrypoint"] == ["dask"]


def test_only_the_cluster_and_what_it_needs_are_on_its_network(services: dict[str, Any]) -> None:
    on_it = {name for name, service in services.items() if "cluster" in service.get("networks", [])}
    assert on_it == {*CLUSTER, "postgres", "sandbox"}
    assert all(services[name]["networks"] == ["cluster"] for name in CLUSTER)  # nobody comes by another one
    assert not [name for name in CLUSTER if services[name].get("ports")]


def test_the_containers_of_the_cluster_can_only_read(services: dict[str, Any]) -> None:
    for name in CLUSTER:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["tmpfs"] == ["/tmp"], name  # noqa: S108 - in a container
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert services["worker"]["volumes"] == ["./output:/work/output:ro"]
    assert "./output:/work/output" in services["cluster-issuer"]["volumes"]


def test_what_dies_is_started_again_and_whoever_issues_stops_first(services: dict[str, Any]) -> None:
    assert {services[name].get("restart") for name in ("scheduler", "worker")} == {"unless-stopped"}
    assert "restart" not in services["cluster-issuer"]  # a second `issue` would find the batch of the first
    waits_for = services["cluster-issuer"]["depends_on"]
    assert {name: how["condition"] for name, how in waits_for.items()} == dict.fromkeys(
        ["sandbox", "postgres", "scheduler", "worker"], "service_healthy"
    )
    assert all("healthcheck" in services[name] for name in waits_for)
    grace = int(services["cluster-issuer"]["stop_grace_period"].removesuffix("s"))
    assert grace >= 2 * Settings.model_fields["timeout"].default


def test_the_health_of_scheduler_and_worker_is_told_to_their_own_container_alone(
    services: dict[str, Any],
) -> None:
    for name in ("scheduler", "worker"):
        options = dask_commands.parse(services[name]["command"])
        asked = services[name]["healthcheck"]["test"][-1]
        assert options["dashboard"] is False
        assert options["dashboard_address"].startswith("127.0.0.1:")
        assert f"http://{options['dashboard_address']}/health" in asked
        routes = dask_commands.settings(services[name]["environment"])[f"distributed.{name}.http.routes"]
        assert routes == ["distributed.http.health"]


def test_compose_and_kubernetes_tell_dask_the_same(services: dict[str, Any]) -> None:
    told: dict[str, Any] = {}
    for name in ("scheduler", "worker"):
        told |= dask_commands.settings(services[name]["environment"])
    (manifest,) = (
        d for d in documents(KUBERNETES / "settings.yaml") if d["metadata"]["name"] == "batch-issuer-dask"
    )
    elsewhere = dask_commands.settings(manifest["data"])
    assert elsewhere.pop("distributed.comm.require-encryption") is True
    assert told == elsewhere
    assert told["distributed.scheduler.worker-ttl"] == "60s"


def test_the_number_of_workers_can_be_said(services: dict[str, Any]) -> None:
    worker = services["worker"]["deploy"]
    assert worker["replicas"] == "${WORKERS:-2}"
    options = dask_commands.parse(services["worker"]["command"])
    assert (options["memory_limit"], worker["resources"]["limits"]["memory"]) == ("2GiB", "2560M")
