"""The page that sets the nightly job up: all of its commands, one after the other, against a sandbox."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.command_lines import HOW_TO, blocks
from tests.deploy.units import SYSTEMD_ANALYZE, WITHOUT_SYSTEMD
from tests.end_to_end.conftest import Server
from tests.end_to_end.machine import Machine

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason=WITHOUT_SYSTEMD),
]

PAGE = (HOW_TO / "nightly.md").read_text()


@pytest.fixture
def server(start_sandbox: Callable[..., Server]) -> Server:
    return start_sandbox("--decide-after", "0")


@pytest.fixture
def machine(tmp_path: Path, server: Server) -> Iterator[Machine]:
    told = server.settings
    found = Machine(
        root=tmp_path,
        answers={
            "Password": told["BATCH_ISSUER_PASSWORD"],
            "token": told["BATCH_ISSUER_UI_AUTH_TOKEN"],
            "tell": "json://127.0.0.1:9/",  # nobody listens there
        },
        replaced={"https://api.example.com": server.url},
    )
    found.set_up()
    try:
        yield found
    finally:
        found.switch_off()


def run_until_it_fails(machine: Machine, page: str) -> str:
    """Run the blocks of a page, and return what the first one that fails says: nothing, where none does."""
    for block in blocks(page, "sh"):
        done = machine.run(block)
        if done.returncode:
            return f"{block}\n{done.stdout}"
    return ""


def before(heading: str) -> str:
    """Return the page up to a heading."""
    found, mark, _ = PAGE.partition(f"\n## {heading}\n")
    assert mark
    return found


def section(text: str) -> str:
    """Return the first section that has a text."""
    return next(part for part in PAGE.split("\n## ") if text in part)


INSTALLED = before("Check all of it")


def test_the_page_leads_from_nothing_to_a_running_job(machine: Machine, server: Server) -> None:
    assert run_until_it_fails(machine, before("Remove it")) == ""
    inbox, state = machine.at("/srv/batch_issuer/inbox"), machine.at("/var/lib/batch_issuer")
    assert [path.name for path in inbox.glob("*.csv")] == []
    assert (inbox / "done" / "trial.csv").is_file()
    (reports,) = re.findall(r"`(done/trial\S+)/`", PAGE)
    assert (inbox / reports / "reconciliation.csv").is_file()
    assert server.customers() == [700_000_001]
    assert (state / "ledger.db").is_file()
    assert list((state / "backups").glob("ledger-*.db"))
    figures = machine.at("/var/lib/prometheus/node-exporter/batch_issuer.prom")
    assert "batch_issuer_rows" in figures.read_text()


def test_what_the_page_installed_can_be_removed_and_the_ledger_stays(machine: Machine) -> None:
    page = INSTALLED + section("daemon-reload").replace(
        "sudo systemctl start batch-issuer-inbox.service\n", ""
    )
    ledger = machine.at("/var/lib/batch_issuer/ledger.db")
    assert run_until_it_fails(machine, page) == ""
    ledger.touch()
    assert run_until_it_fails(machine, section("userdel")) == ""
    assert list(machine.at("/etc/systemd/system").iterdir()) == []
    assert not machine.at("/etc/batch_issuer").exists()
    assert not machine.at("/opt/batch_issuer").exists()
    assert ledger.exists()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("--shell", "--shel"),
        ("-r requirements.lock", "-r requirement.lock"),
        ("install --no-deps .", "install --no-dep ."),
        ("deploy/bin/batch-issuer", "deploy/bin/batch_issuer"),
        ("--owner=batch_issuer", "--owner=badge_issuer"),
        ("/etc/batch_issuer/secrets/password", "/etc/batch_issuer/secret/password"),
        ("sudo -u batch_issuer batch-issuer doctor", "sudo -u batch_issuer batch-issuer docter"),
        ("batch-issuer inbox /srv/batch_issuer/inbox", "batch-issuer inbox /srv/batch_issuer/in"),
        ("deploy/systemd/.", "deploy/system/."),
        ("start batch-issuer-inbox.service", "start batch-issuer-in.service"),
        ("700000001,0123456789abcdef01234567", "700000001,0123456789abcdef0123456"),
    ],
)
def test_a_wrong_command_on_the_page_is_found(machine: Machine, right: str, wrong: str) -> None:
    page = INSTALLED if right in INSTALLED else INSTALLED + section(right)
    assert wrong in run_until_it_fails(machine, page.replace(right, wrong))
