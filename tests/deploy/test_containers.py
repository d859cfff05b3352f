"""Kubernetes, compose and cron: valid, walled in, and with commands and settings that exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from batch_issuer import __version__
from batch_issuer.settings import Settings, load_settings, unknown_variables
from tests.deploy import manifests
from tests.deploy.command_lines import DEPLOY, ROOT, ours, parse
from tests.deploy.manifests import validate

KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(path.name for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")


def documents(name: str) -> list[dict[str, Any]]:
    return manifests.documents(KUBERNETES / name)


@pytest.fixture
def cron_job() -> dict[str, Any]:
    (found,) = documents("cronjob.yaml")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.fixture
def pod(cron_job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = cron_job["jobTemplate"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = pod["containers"]
    return found


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_would_take_the_manifest(name: str) -> None:
    done = validate(KUBERNETES / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_would_refuse_a_misspelt_key(tmp_path: Path) -> None:
    text = (KUBERNETES / "cronjob.yaml").read_text()
    (tmp_path / "cronjob.yaml").write_text(text.replace("concurrencyPolicy", "concurencyPolicy"))
    assert validate(tmp_path / "cronjob.yaml").returncode != 0


def test_all_manifests_are_applied_together_but_for_the_secret() -> None:
    (kustomization,) = documents("kustomization.yaml")
    assert sorted(kustomization["resources"]) == [name for name in MANIFESTS if name != "secret.example.yaml"]
    (image,) = kustomization["images"]
    assert image["newTag"] == __version__


def test_the_pod_runs_the_image_that_is_named_for_all(container: dict[str, Any]) -> None:
    (kustomization,) = documents("kustomization.yaml")
    assert container["image"] == kustomization["images"][0]["name"]
    assert parse(container["args"]) == "inbox"


def test_passes_never_overlap_and_are_not_repeated_by_the_scheduler(cron_job: dict[str, Any]) -> None:
    job = cron_job["jobTemplate"]["spec"]
    assert cron_job["concurrencyPolicy"] == "Forbid"
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert (
        cron_job["startingDeadlineSeconds"] >= 600
    )  # a controller that was away for long still starts the pass


def test_the_pod_is_an_ordinary_user_in_a_container_it_can_only_read(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    own, shared = container["securityContext"], pod["securityContext"]
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert (str(shared["runAsUser"]), str(shared["runAsGroup"])) == user.groups()
    assert shared["runAsNonRoot"] is own["readOnlyRootFilesystem"] is True
    assert (
        own["allowPrivilegeEscalation"] is own["privileged"] is pod["automountServiceAccountToken"] is False
    )
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]


def test_a_pod_that_must_go_has_the_time_to_end_in_order(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] >= 2 * Settings.model_fields["timeout"].default


def test_each_mounted_volume_exists(pod: dict[str, Any], container: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claims = {
        v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v
    }
    assert claims == {document["metadata"]["name"] for document in documents("volumes.yaml")}


def test_the_pod_writes_where_volumes_are(container: dict[str, Any]) -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["output"] == f"/work/{load_settings(environ={}).output}"  # the image's folder is /work
    assert container["args"][-1] == mounts["inbox"]


def test_the_settings_of_the_pod_are_complete_and_its_secrets_are_files(container: dict[str, Any]) -> None:
    (plain,) = documents("configmap.yaml")
    (secret,) = documents("secret.example.yaml")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    files = {entry["name"]: entry["value"] for entry in container["env"]}
    assert files == {
        f"BATCH_ISSUER_{key.upper()}_FILE": f"{mounts['secrets']}/{key}" for key in secret["stringData"]
    }
    assert unknown_variables({**plain["data"], **files}) == []
    secrets = {f"BATCH_ISSUER_{key.upper()}": value for key, value in secret["stringData"].items()}
    settings = load_settings(environ={**plain["data"], **secrets})
    assert None not in {settings.base_url, settings.username, settings.org_id, settings.till_id}
    assert not set(secrets) & set(plain["data"])


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_the_nightly_container_watches_a_folder_that_it_may_move_files_in(services: dict[str, Any]) -> None:
    nightly = services["nightly"]
    assert parse(nightly["command"]) == "inbox"
    assert nightly["command"][1:] == ["/work/inbox", "--watch"]
    assert nightly["volumes"] == ["./inbox:/work/inbox", "./output:/work/output"]
    assert nightly["environment"] == services["issuer"]["environment"]
    assert nightly["profiles"] == ["nightly"]


def test_the_nightly_container_can_only_read_and_has_the_time_to_end_in_order(
    services: dict[str, Any],
) -> None:
    nightly = services["nightly"]
    assert nightly["read_only"] is True
    assert nightly["cap_drop"] == ["ALL"]
    assert int(nightly["stop_grace_period"].removesuffix("s")) >= 2 * Settings.model_fields["timeout"].default


def test_the_console_of_the_containers_is_for_this_machine_and_hardened(services: dict[str, Any]) -> None:
    console = services["console"]
    assert parse(console["command"]) == "serve"
    assert console["ports"] == ["127.0.0.1:8080:8080"]
    settings = load_settings(environ=console["environment"])
    assert settings.console_url == "http://localhost:8080"
    assert settings.environment == "test"
    assert settings.checker_username != settings.username
    assert (console["read_only"], console["cap_drop"]) == (True, ["ALL"])
    assert "/health/ready" in console["healthcheck"]["test"][-1]


def test_a_folder_that_is_watched_in_a_checkout_is_no_part_of_it() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    for path, ignored in (("inbox/june.csv", True), ("batch_issuer/inbox/folder.py", False)):
        done = subprocess.run([git, "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert (done.returncode == 0) is ignored, path


@pytest.fixture
def crontab() -> list[str]:
    lines = (DEPLOY / "cron" / "crontab").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_crontab_has_five_fields_and_a_command_that_exists(crontab: list[str]) -> None:
    *variables, job = crontab
    minute, hour, *days, command = job.split(maxsplit=5)
    assert re.fullmatch(r"[0-5]?\d", minute)
    assert re.fullmatch(r"([01]?\d|2[0-3])(-([01]?\d|2[0-3]))?", hour)
    assert days == ["*", "*", "*"]
    assert "%" not in command  # cron takes it for a line break
    arguments = ours(command)
    assert arguments is not None
    assert parse(arguments) == "inbox"
    assert {line.split("=")[0] for line in variables} == {"SHELL", "PATH", "MAILTO"}


def test_cron_finds_every_program_of_its_line(crontab: list[str]) -> None:
    variables = dict(line.split("=", 1) for line in crontab[:-1])
    parts = " ".join(crontab[-1].split()[5:]).split("|")
    programs = [shlex.split(part)[0] for part in parts]
    assert programs == ["batch-issuer", "logger"]
    assert "/usr/local/bin" in variables["PATH"].split(
        ":"
    )  # where the script for commands by hand is installed


def test_every_scheduler_looks_into_the_folder_at_the_same_hours(
    crontab: list[str], cron_job: dict[str, Any]
) -> None:
    schedule = " ".join(crontab[-1].split()[:5])
    timer = (DEPLOY / "systemd" / "batch-issuer-inbox.timer").read_text()
    assert schedule == cron_job["schedule"] == "30 2-8 * * *"
    assert "OnCalendar=*-*-* 02..08:30:00\n" in timer
