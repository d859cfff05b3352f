"""The pages about scheduling: their commands, settings, files and recipes are real ones."""

import re
from pathlib import Path

import pytest
import yaml

from batch_issuer.batch.exit_codes import ExitCode
from batch_issuer.settings import unknown_variables
from tests.deploy.command_lines import HOW_TO, ROOT, blocks, command_lines, parse, quoted

PAGES = [HOW_TO / name for name in ("nightly.md", "schedule-elsewhere.md")]
NIGHTLY, ELSEWHERE = (page.read_text() for page in PAGES)
RECIPES = blocks(ELSEWHERE, "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_of_a_page_is_one_of_ours_with_options_that_exist(page: Path) -> None:
    found = [arguments for arguments in command_lines(page.read_text()) if "…" not in arguments]
    assert found
    for arguments in found:
        parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_and_unit_that_a_page_names_is_in_the_checkout(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"(?<![\w/.-])deploy/[\w./-]*\w", text):
        assert (ROOT / path).exists(), path
    for unit in re.findall(r"batch-issuer-\w+\.(?:service|timer)", text):
        assert (ROOT / "deploy" / "systemd" / unit).is_file(), unit


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    assert (
        unknown_variables(dict.fromkeys(re.findall(r"BATCH_ISSUER_[A-Z_]+[A-Z]", page.read_text()), "")) == []
    )


def test_an_operator_finds_what_to_do_about_each_exit_code() -> None:
    told = re.findall(r"^\| (\d) \|", NIGHTLY, re.MULTILINE)
    assert sorted(map(int, told)) == sorted(code.value for code in ExitCode)


def test_a_scheduler_is_told_about_each_exit_code_of_a_pass() -> None:
    told = [
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", ELSEWHERE, re.MULTILINE)
        for code in row.split(", ")
    ]
    never = {ExitCode.INPUT_REFUSED, ExitCode.GUARDED}  # a pass counts refused files as 4
    assert sorted(told) == sorted(set(ExitCode) - never)


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_recipe_is_python_and_runs_a_pass_without_retries(number: int) -> None:
    recipe = RECIPES[number]
    compile(recipe, f"recipe {number}", "exec")
    assert "retries=0" in recipe
    (line,) = re.findall(r"batch-issuer --config [^\"]+", recipe)
    assert parse(line.split()[1:]) == "inbox"
    assert '"30 2-8 * * *"' in recipe


def test_there_are_recipes_for_airflow_and_for_prefect() -> None:
    assert ["airflow" in recipe for recipe in RECIPES] == [True, False]
    assert ["prefect" in recipe for recipe in RECIPES] == [False, True]


def test_a_recipe_tells_rows_that_need_a_look_from_a_failure() -> None:
    airflow, prefect = RECIPES
    code = ExitCode.ROWS_NEED_A_LOOK.value
    assert f"skip_on_exit_code={code}," in airflow
    assert f"if code == {code}:\n        return Completed(" in prefect


def test_the_containers_that_a_page_starts_are_services() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    lines = [line for block in blocks(ELSEWHERE, "sh") for line in block.splitlines() if "compose" in line]
    assert len(lines) == 2
    for line in lines:
        assert line.split()[-1] in services
    assert services["nightly"]["profiles"] == re.findall(r"--profile (\w+)", lines[0])


def test_the_secret_that_a_page_makes_has_the_keys_of_the_example() -> None:
    example = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "secret.example.yaml").read_text())
    assert set(re.findall(r"--from-file=(\w+)", ELSEWHERE)) == set(example["stringData"])


def test_quoted_commands_are_looked_at() -> None:
    assert "batch-issuer retry BATCH" in quoted(NIGHTLY)
