"""The page about a cluster: its commands, settings, files, containers and figures are real ones."""

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.settings import Settings, load_settings, secret_names
from tests.deploy import dask_commands
from tests.deploy.command_lines import DEPLOY, HOW_TO, ROOT, blocks, command_lines, parse, quoted
from tests.deploy.manifests import documents

PAGE = (HOW_TO / "cluster.md").read_text()
RECIPE = DEPLOY / "kubernetes" / "cluster"
LINES = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]


def names(kind: str) -> set[str]:
    """Return the names of what there is of a kind in the recipe."""
    read = [d for path in RECIPE.glob("*.yaml") for d in documents(path) if "metadata" in d]
    return {d["metadata"].get("name", "") for d in read if d["kind"] == kind}


def test_each_command_of_the_page_is_one_of_ours_with_options_that_exist() -> None:
    found = [parse(arguments) for arguments in command_lines(PAGE) if "FILE" not in arguments]
    assert "issue" in found
    assert "resume" in found


def test_each_file_that_the_page_names_is_in_the_checkout() -> None:
    for path in re.findall(r"(?<![\w/.-])deploy/[\w./-]*\w", PAGE):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(\w+\.yaml)`", PAGE):
        assert (RECIPE / name).is_file(), name


def test_each_setting_that_the_page_names_exists() -> None:
    known = {name.upper() for name in Settings.model_fields} | {f"{n.upper()}_FILE" for n in secret_names()}
    for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", PAGE):
        assert name in known | {"WORKERS"}, name  # that one is of the compose file
    variables = set(re.findall(r"DASK_\w+__\w+", PAGE))
    assert variables
    dask_commands.settings(dict.fromkeys(variables, "true"))


def test_the_limits_of_an_input_are_those_of_the_program() -> None:
    settings = load_settings(environ={})
    assert (settings.max_file_bytes, settings.max_rows) == (2 << 30, 50_000_000)
    assert "Files above 2 GiB or 50 million rows are refused until `MAX_FILE_BYTES` and `MAX_ROWS`" in PAGE
    assert settings.rate * settings.chunk_size == 10_000  # customers a minute


def test_the_exit_codes_of_the_page_are_those_of_the_program() -> None:
    told = {int(code) for code in re.findall(r"(?:exit code|ends with) (\d)", PAGE)}
    assert told == {ExitCode.NOT_FINISHED, ExitCode.USAGE}


def test_the_containers_that_the_page_starts_are_services_of_its_profile() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    started = [shlex.split(line) for line in LINES if line.startswith("docker compose")]
    assert started
    for words in started:
        (name,) = (word for word in words if word in services)
        assert words[words.index("--profile") + 1] in services[name]["profiles"]
        if name == "cluster-issuer":
            parse(words[words.index(name) + 1 :])
    assert {word for words in started for word in words} >= {"worker", "cluster-issuer"}


def secrets_made() -> Iterator[tuple[str, set[str]]]:
    """Yield the secrets that the page makes, with their keys."""
    for line in LINES:
        if line.startswith("kubectl create secret generic "):
            yield line.split()[4], set(re.findall(r"--from-file=([\w.]+)", line))


def test_the_secrets_that_the_page_makes_have_the_keys_of_the_example() -> None:
    examples = documents(RECIPE / "secret.example.yaml")
    assert dict(secrets_made()) == {d["metadata"]["name"]: set(d["stringData"]) for d in examples}


def test_what_the_page_does_to_the_cluster_is_of_the_recipe() -> None:
    text = "\n".join([*LINES, *quoted(PAGE)])
    assert set(re.findall(r"deployment/([\w-]+)", text)) <= names("Deployment")
    assert set(re.findall(r"cronjob[/ ]([\w-]+)", text)) == names("CronJob")
    (kustomization,) = documents(RECIPE / "kustomization.yaml")
    (image,) = kustomization["images"]
    pushed = f"{image['newName']}:{image['newTag']}"
    assert {f"docker build --tag {pushed} .", f"docker push {pushed}"} <= set(LINES)


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_what_the_page_says_of_sizes_is_what_the_recipe_asks_for(role: str) -> None:
    file = {"scheduler": "scheduler.yaml", "worker": "workers.yaml"}[role]
    (deployment,) = (d for d in documents(RECIPE / file) if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = container["resources"]["requests"]
    said = {
        "scheduler": (
            "the scheduler | a quarter of a processor, 512 MiB",
            {"cpu": "250m", "memory": "512Mi"},
        ),
        "worker": ("a worker | 1 processor, 2 GiB", {"cpu": "1", "memory": "2Gi"}),
    }
    words, figures = said[role]
    assert f"| {words} |" in PAGE
    assert asked == figures
