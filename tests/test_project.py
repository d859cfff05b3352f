"""What must hold for the whole checkout: lock files, templates, container files, no traces of a machine."""

import csv
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from batch_issuer.sandbox import Credentials
from batch_issuer.settings import load_settings, unknown_variables

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "input_templates"
LOCK_FILES = ("requirements.lock", "requirements-dev.lock")
COLUMNS = ["customer_id", "badge_meta_id", "owner_type", "reference_id", "issue_event_date"]

REGISTRY = re.compile(r"\b(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com|io)\b", re.IGNORECASE)
HOME = re.compile(r"(?<![\w.:*/-])/(?:home|root|Users)/\w")


def locked(lock_file: str) -> dict[str, Requirement]:
    """Return each package's `name[extras]==version`, without its marker and hashes."""
    text = (ROOT / lock_file).read_text()
    lines = re.findall(r"^[\w.\[\],-]+==[^\s;\\]+", text, re.MULTILINE)
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def pins(lock_file: str) -> set[str]:
    """Return the `name==version` of each package."""
    return {f"{found.name}{found.specifier}" for found in locked(lock_file).values()}


def asked_with_extras(package: str) -> Iterator[Requirement]:
    """Yield what an installed package always needs of others in a richer form."""
    with suppress(PackageNotFoundError):  # for another system or Python
        for wanted in map(Requirement, requires(package) or ()):
            if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                yield wanted


def read_template(name: str) -> list[list[str]]:
    """Return the cells of a template, without its blank lines."""
    with (TEMPLATES / name).open(encoding="utf-8-sig", newline="") as file:
        return [cells for cells in csv.reader(file, strict=True) if cells]


def texts_of_the_project() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file that git tracks or would track."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file():
            yield name, path.read_bytes().decode(errors="replace")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return the services of the compose file."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_a_lock_file_pins_with_hashes_and_names_no_place_to_download_from(lock_file: str) -> None:
    text = (ROOT / lock_file).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 10
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text


def test_the_runtime_lock_is_part_of_the_development_lock() -> None:
    runtime, development = (pins(lock_file) for lock_file in LOCK_FILES)
    assert runtime < development


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_a_package_that_another_asks_for_with_an_extra_is_locked_with_it(lock_file: str) -> None:
    # else the pip that comes with Python 3.11 takes the newest release for it, which has no hash here
    found = locked(lock_file)
    asked = [wanted for name in ("batch_issuer", *found) for wanted in asked_with_extras(name)]
    missing = [str(wanted) for wanted in asked if not wanted.extras <= found[wanted.name].extras]
    assert asked
    assert missing == []


def test_the_runtime_lock_holds_the_drivers_of_every_ledger() -> None:
    assert {"sqlalchemy", "psycopg", "psycopg-binary"} <= locked("requirements.lock").keys()


def test_the_blank_template_holds_the_header_alone() -> None:
    assert (TEMPLATES / "blank.csv").read_bytes() == b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n"


def test_the_sample_is_written_as_a_spreadsheet_writes_it() -> None:
    content = (TEMPLATES / "sample.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert content[3:].isascii()


def test_the_sample_is_large_enough_to_show_something_and_mostly_right() -> None:
    header, *rows = read_template("sample.csv")
    plain = [row for row in rows if re.fullmatch(r"\s*[1-9]\d*(\.0)?\s*", row[0])]
    assert header == [*COLUMNS, "note"]
    assert len(rows) == 200
    assert 0.96 <= len(plain) / len(rows) < 1
    assert len({row[1] for row in rows if len(row[1]) == 24}) == 5
    assert sum(times - 1 for times in Counter(map(tuple, rows)).values()) == 2


def test_the_sample_names_invented_customers_only() -> None:
    _, *rows = read_template("sample.csv")
    invented = re.compile(r"\s*0?700000\d{3}(\.0)?\s*|1\.13461E\+08|113,460,811|")
    assert [row[0] for row in rows if not invented.fullmatch(row[0])] == []


def test_the_containers_agree_on_where_the_sandbox_is(services: dict[str, Any]) -> None:
    command = services["sandbox"]["command"]
    port = command[command.index("--port") + 1]
    assert command[0] == "sandbox"
    assert services["issuer"]["environment"]["BATCH_ISSUER_BASE_URL"] == f"http://sandbox:{port}"


def test_the_sandbox_lets_the_issuer_in(services: dict[str, Any]) -> None:
    environment = services["issuer"]["environment"]
    settings = load_settings(environ=environment)
    known = Credentials()
    assert unknown_variables(environment) == []
    assert (settings.org_id, settings.username) == (known.org_id, known.maker_username)
    assert settings.password is not None
    assert settings.password.get_secret_value() == known.maker_password
    assert settings.ui_auth_token is not None
    assert settings.ui_auth_token.get_secret_value() == known.maker_ui_token


def test_a_team_issues_as_one_person_does_but_with_the_ledger_in_postgresql(services: dict[str, Any]) -> None:
    server = services["postgres"]["environment"]
    environment = dict(services["team-issuer"]["environment"])
    user, password, database = (server[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert environment.pop("BATCH_ISSUER_LEDGER") == f"postgresql://{user}:{password}@postgres/{database}"
    assert environment == services["issuer"]["environment"]
    assert set(services["team-issuer"]["depends_on"]) == {"sandbox", "postgres"}


def test_the_database_of_a_team_is_not_open_to_other_hosts(services: dict[str, Any]) -> None:
    ports = services["postgres"].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_as_an_ordinary_user() -> None:
    users = re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users
    assert "0" not in users


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", "output/README.md"]
)
def test_a_reader_finds_the_usual_pages(name: str) -> None:
    assert (ROOT / name).read_text().strip()


def test_no_file_names_a_package_registry() -> None:
    assert [name for name, text in texts_of_the_project() if REGISTRY.search(text)] == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    checkout = f"{ROOT}/"
    assert [name for name, text in texts_of_the_project() if HOME.search(text) or checkout in text] == []
