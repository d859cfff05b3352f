"""A cluster in Kubernetes: valid, walled in, complete, and with commands that Dask and we take."""

from pathlib import Path
from typing import Any

import pytest

from batch_issuer import __version__
from batch_issuer.settings import Settings, load_settings, unknown_variables
from tests.deploy import dask_commands
from tests.deploy.command_lines import DEPLOY, ROOT, parse
from tests.deploy.manifests import documents, validate

RECIPE = DEPLOY / "kubernetes" / "cluster"
MANIFESTS = sorted(path.name for path in RECIPE.glob("*.yaml") if path.name != "kustomization.yaml")
APPLIED_BY_HAND = ["issue.yaml", "secret.example.yaml"]
PODS = {"scheduler": "scheduler.yaml", "worker": "workers.yaml", "inbox": "inbox.yaml", "issue": "issue.yaml"}
SENDERS = ("worker", "inbox", "issue")


def found(name: str, kind: str) -> list[dict[str, Any]]:
    """Return what there is of a kind in a manifest."""
    return [document for document in documents(RECIPE / name) if document["kind"] == kind]


def template(role: str) -> dict[str, Any]:
    """Return what the pods of a role are made from."""
    (spec,) = (
        d["spec"] for d in documents(RECIPE / PODS[role]) if d["kind"] in {"Deployment", "CronJob", "Job"}
    )
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    made: dict[str, Any] = spec["template"]
    return made


def pod(role: str) -> dict[str, Any]:
    spec: dict[str, Any] = template(role)["spec"]
    return spec


def container(role: str) -> dict[str, Any]:
    only: dict[str, Any]
    (only,) = pod(role)["containers"]
    return only


def mounts(role: str) -> dict[str, dict[str, Any]]:
    return {mount["name"]: mount for mount in container(role)["volumeMounts"]}


def plain(name: str) -> dict[str, str]:
    """Return what a ConfigMap holds."""
    (data,) = (d["data"] for d in found("settings.yaml", "ConfigMap") if d["metadata"]["name"] == name)
    return dict(data)


def secret(name: str) -> dict[str, str]:
    """Return what a Secret holds."""
    (data,) = (
        d["stringData"] for d in found("secret.example.yaml", "Secret") if d["metadata"]["name"] == name
    )
    return dict(data)


def environment(role: str) -> dict[str, str]:
    """Return the variables of a role's container."""
    given: dict[str, str] = {}
    for source in container(role).get("envFrom", []):
        given |= plain(source["configMapRef"]["name"])
    return given | {entry["name"]: entry["value"] for entry in container(role).get("env", [])}


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_would_take_the_manifest(name: str, tmp_path: Path) -> None:
    # the program wants a name, where the cluster makes one
    text = (RECIPE / name).read_text().replace("generateName: batch-issuer-cluster-issue-", "name: issue")
    (tmp_path / name).write_text(text)
    done = validate(tmp_path / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_manifests_are_applied_together_but_for_secrets_and_commands_by_hand() -> None:
    (kustomization,) = documents(RECIPE / "kustomization.yaml")
    assert sorted([*kustomization["resources"], *APPLIED_BY_HAND]) == MANIFESTS
    (image,) = kustomization["images"]
    assert image["newTag"] == __version__
    assert {container(role)["image"] for role in PODS} == {
        image["name"],
        f"{image['newName']}:{image['newTag']}",
    }
    assert container("issue")["image"] == f"{image['newName']}:{image['newTag']}"  # it is created as it is


def test_the_recipe_is_the_folder_above_beside_it_under_no_name_of_its() -> None:
    def names(folder: Path) -> set[tuple[str, str]]:
        read = [d for path in folder.glob("*.yaml") for d in documents(path) if "metadata" in d]
        return {(d["kind"], d["metadata"].get("name", "")) for d in read}

    assert names(RECIPE).isdisjoint(names(RECIPE.parent))


@pytest.mark.parametrize("role", PODS)
def test_a_pod_is_an_ordinary_user_in_a_container_it_can_only_read(role: str) -> None:
    own, shared = container(role)["securityContext"], pod(role)["securityContext"]
    assert f"\nUSER {shared['runAsUser']}:{shared['runAsGroup']}\n" in (ROOT / "Dockerfile").read_text()
    assert shared["runAsNonRoot"] is own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is own["privileged"] is False
    assert pod(role)["automountServiceAccountToken"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"cpu", "memory"} <= set(container(role)["resources"]["requests"])
    assert "memory" in container(role)["resources"]["limits"]
    assert mounts(role)["tmp"]["mountPath"] == "/tmp"  # noqa: S108 - in a container


@pytest.mark.parametrize("role", PODS)
def test_no_variable_of_the_cluster_is_taken_for_a_setting(role: str) -> None:
    assert pod(role)["enableServiceLinks"] is False  # else there would be a BATCH_ISSUER_SCHEDULER_PORT


@pytest.mark.parametrize("role", PODS)
def test_each_volume_is_mounted_and_exists(role: str) -> None:
    volumes = {volume["name"]: volume for volume in pod(role)["volumes"]}
    assert set(mounts(role)) == set(volumes)
    claims = {d["metadata"]["name"]: d["spec"] for d in found("volumes.yaml", "PersistentVolumeClaim")}
    secrets = {d["metadata"]["name"] for d in found("secret.example.yaml", "Secret")}
    for volume in volumes.values():
        if "persistentVolumeClaim" in volume:
            claim = claims[volume["persistentVolumeClaim"]["claimName"]]
            assert claim["accessModes"] == ["ReadWriteMany"]
        elif "secret" in volume:
            assert volume["secret"]["secretName"] in secrets
        else:
            assert "emptyDir" in volume


@pytest.mark.parametrize("role", SENDERS)
def test_whoever_issues_and_each_worker_have_settings_and_secrets_to_send(role: str) -> None:
    given = environment(role)
    secrets = secret("batch-issuer-cluster")
    files = {
        name: path for name, path in given.items() if path.startswith(mounts(role)["secrets"]["mountPath"])
    }
    assert files == {
        f"BATCH_ISSUER_{key.upper()}_FILE": f"{mounts(role)['secrets']['mountPath']}/{key}" for key in secrets
    }
    assert unknown_variables(given) == []
    values = {f"BATCH_ISSUER_{key.upper()}": value for key, value in secrets.items()}
    settings = load_settings(environ={n: v for n, v in given.items() if n not in files} | values)
    assert None not in {settings.base_url, settings.username, settings.org_id, settings.till_id}
    assert settings.ledger_url.startswith("postgresql://")
    assert mounts(role)["output"]["mountPath"] == f"/work/{settings.output}"  # the image's folder is /work


def test_a_worker_reads_what_whoever_issues_has_written() -> None:
    assert mounts("worker")["output"]["readOnly"] is True
    assert "readOnly" not in mounts("inbox")["output"]
    volumes = [v for role in SENDERS for v in pod(role)["volumes"] if v["name"] == "output"]
    assert volumes == [volumes[0]] * len(SENDERS)


def test_the_scheduler_has_no_secret_but_its_certificate() -> None:
    assert set(mounts("scheduler")) == {"tls", "tmp"}
    assert not [name for name in environment("scheduler") if name.startswith("BATCH_ISSUER_")]


def test_whoever_issues_finds_the_scheduler_by_its_service_and_with_tls() -> None:
    (service,) = found("scheduler.yaml", "Service")
    (port,) = service["spec"]["ports"]
    address = f"tls://{service['metadata']['name']}:{port['port']}"
    settings = load_settings(environ=plain("batch-issuer-cluster"))
    tls = Path(mounts("inbox")["tls"]["mountPath"])
    assert settings.engine == address
    files = [settings.engine_ca_file, settings.engine_cert_file, settings.engine_key_file]
    assert files == [tls / key for key in secret("batch-issuer-cluster-tls")]
    assert dask_commands.parse(container("worker")["args"])["scheduler"] == address
    assert service["spec"]["selector"].items() <= template("scheduler")["metadata"]["labels"].items()


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_dask_takes_its_command_its_settings_and_its_certificate(role: str) -> None:
    assert container(role)["command"] == ["dask"]
    options = dask_commands.parse(container(role)["args"])
    tls = mounts(role)["tls"]["mountPath"]
    files = [options["tls_ca_file"], options["tls_cert"], options["tls_key"]]
    assert files == [f"{tls}/{key}" for key in secret("batch-issuer-cluster-tls")]
    assert options["dashboard"] is False
    settings = dask_commands.settings(environment(role))
    assert settings["distributed.comm.require-encryption"] is True
    assert settings["distributed.scheduler.http.routes"] == ["distributed.http.health"]
    assert settings["distributed.worker.http.routes"] == ["distributed.http.health"]


def test_dask_would_not_take_a_misspelt_option_or_setting() -> None:
    with pytest.raises(Exception, match="No such option"):
        dask_commands.parse(["worker", "tls://scheduler:8786", "--memory-limits=2GiB"])
    with pytest.raises(AssertionError, match=r"no setting distributed\.scheduler\.worker-tl"):
        dask_commands.settings({"DASK_DISTRIBUTED__SCHEDULER__WORKER_TL": "60s"})


def test_the_ports_of_the_pods_are_those_that_dask_listens_on() -> None:
    def ports(role: str) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in container(role)["ports"]}

    scheduler, worker = (dask_commands.parse(container(role)["args"]) for role in ("scheduler", "worker"))
    assert ports("scheduler") == {
        "scheduler": int(scheduler["port"]),
        "health": int(scheduler["dashboard_address"].removeprefix(":")),
    }
    assert ports("worker") == {
        "worker": int(worker["worker_port"]),
        "nanny": int(worker["nanny_port"]),
        "health": int(worker["dashboard_address"].removeprefix(":")),
    }
    probes = [container(role)["livenessProbe"]["httpGet"] for role in ("scheduler", "worker")]
    assert probes == [{"path": "/health", "port": "health"}] * 2


def test_nobody_else_reaches_where_code_is_run() -> None:
    policies = {d["metadata"]["name"]: d["spec"] for d in found("network.yaml", "NetworkPolicy")}
    allowed = {}
    for policy in policies.values():
        (role,) = (
            r for r in PODS if policy["podSelector"]["matchLabels"] == template(r)["metadata"]["labels"]
        )
        (rule,) = policy["ingress"]
        assert policy["policyTypes"] == ["Ingress"]
        selected = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
        assert all(list(peer) == ["podSelector"] for peer in rule["from"])  # so: of this namespace
        peers = {r for r in PODS if template(r)["metadata"]["labels"] in selected}
        assert len(selected) == 2
        allowed[role] = (peers, {port["port"] for port in rule["ports"]})
    assert allowed == {
        "scheduler": ({"worker", "inbox", "issue"}, {8786}),
        "worker": ({"worker", "scheduler"}, {8788, 8789}),
    }


def test_a_worker_that_wants_too_much_is_started_anew_before_its_container_is_killed() -> None:
    options = dask_commands.parse(container("worker")["args"])
    limit = container("worker")["resources"]["limits"]["memory"]
    assert (options["memory_limit"], limit) == ("2GiB", "2560Mi")
    assert options["nanny"] is True
    assert (options["n_workers"], options["nthreads"]) == ("1", 2)


def test_two_versions_never_work_together() -> None:
    for role in ("scheduler", "worker"):
        (deployment,) = found(PODS[role], "Deployment")
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
        labels = template(role)["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
    (budget,) = found("workers.yaml", "PodDisruptionBudget")
    assert budget["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": template("worker")["metadata"]["labels"]},
    }


def test_whoever_issues_does_so_by_our_commands_and_has_the_time_to_end_in_order() -> None:
    assert parse(container("inbox")["args"]) == "inbox"
    assert parse(container("issue")["args"]) == "issue"
    assert pod("inbox")["terminationGracePeriodSeconds"] >= 2 * Settings.model_fields["timeout"].default


def test_a_command_by_hand_runs_as_the_nightly_job_does() -> None:
    by_night, by_hand = pod("inbox"), pod("issue")
    assert template("inbox")["metadata"] == template("issue")["metadata"]
    for spec in (by_night, by_hand):
        (only,) = spec["containers"]
        assert only.pop("args")[-1].startswith(mounts("inbox")["inbox"]["mountPath"])
        del only["image"]
    assert by_night == by_hand


def test_nothing_is_tried_again_by_kubernetes_alone() -> None:
    (cron_job,) = found("inbox.yaml", "CronJob")
    (job,) = found("issue.yaml", "Job")
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron_job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == job["spec"]["backoffLimit"] == 0
    assert "podFailurePolicy" not in job["spec"]  # a second `issue` would find the batch of the first
