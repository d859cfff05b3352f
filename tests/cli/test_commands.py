"""The commands as a user meets them: what they print, where, and their exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from typer.testing import CliRunner

from batch_issuer import __version__
from batch_issuer.cli.app import app, main

ROOT = Path(__file__).parent.parent.parent
BADGE = "0123456789abcdef01234567"
COMMANDS = sorted(command.name or "" for command in app.registered_commands)


def run(*arguments: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder of its own, with no settings but those given."""
    out, err = io.StringIO(), io.StringIO()
    before = dict(os.environ)
    clean = {name: value for name, value in before.items() if not name.startswith("BATCH_ISSUER_")}
    os.environ.clear()
    os.environ.update({**clean, **{f"BATCH_ISSUER_{name}": value for name, value in variables.items()}})
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def write(folder: Path, *rows: str) -> None:
    (folder / "in.csv").write_text("\n".join(["customer_id,badge_meta_id", *rows]) + "\n")


def test_the_version_is_told(tmp_path: Path) -> None:
    done = run("--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"batch_issuer {__version__}\n")


def test_the_version_is_told_without_loading_a_command(tmp_path: Path) -> None:
    program = (
        "import sys; from batch_issuer.__main__ import main; sys.argv = ['batch-issuer', '--version'];"
        " main(); print('batch_issuer.cli' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"batch_issuer {__version__}\nFalse\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_fits_a_terminal(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_help_and_version_load_neither_pandas_nor_aiohttp() -> None:
    script = (
        "import sys; from batch_issuer.cli import main\n"
        "sys.argv = ['batch-issuer', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "slow = {'pandas', 'aiohttp', 'pandera', 'sqlalchemy', 'pydantic', 'dask', 'distributed'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_valid_file_is_told_to_be_valid(tmp_path: Path) -> None:
    write(tmp_path, f"1,{BADGE}", f" 2.0 ,{BADGE}", f"1,{BADGE}")
    done = run("validate", "in.csv", folder=tmp_path)
    assert done.returncode == 0
    assert "3 rows" in done.stdout
    assert "trailing .0 (1)" in done.stdout
    assert done.stdout.endswith("Next: batch-issuer plan in.csv\n")
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_every_problem_is_told_at_once_and_the_rows_are_written_where_asked(tmp_path: Path) -> None:
    write(tmp_path, f"1,{BADGE}", "1.1E+08,x", f"-4,{BADGE}")
    done = run("validate", "in.csv", "--rejects", "bad.csv", "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 3
    assert [(p["row"], p["column"], p["rule"]) for p in told["problems"]] == [
        (3, "customer_id", "digits_lost"),
        (3, "badge_meta_id", "pattern"),
        (4, "customer_id", "sign"),
    ]
    lines = (tmp_path / "bad.csv").read_text("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("3,")
    assert "'-4" in lines[2]


def test_the_rows_that_are_written_are_cells_whatever_is_wrong_with_them(tmp_path: Path) -> None:
    header = "customer_id,badge_meta_id,owner_type,reference_id"
    (tmp_path / "in.csv").write_text(f'{header}\n7,{BADGE},Nobody,"a ""b"", c"\n"=1,000",{BADGE},,\n')
    run("validate", "in.csv", "--rejects", "bad.csv", "--json", folder=tmp_path)
    with (tmp_path / "bad.csv").open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file, strict=True)
    assert first["problem"].startswith("owner_type 'Nobody' is no owner type; use one")
    assert "Loyalty, Loyalty_Promotion" in first["problem"]
    assert (first["owner_type"], first["reference_id"]) == ("Nobody", 'a "b", c')
    assert (second["row"], second["customer_id"], second["badge_meta_id"]) == ("3", "'=1,000", BADGE)


def test_a_plan_tells_requests_customers_and_time(tmp_path: Path) -> None:
    write(tmp_path, *(f"{n},{BADGE}" for n in range(1, 251)))
    told = json.loads(run("plan", "in.csv", "--rate", "60", "--json", folder=tmp_path).stdout)
    assert (told["customers"], told["requests"], told["would_send"]) == (250, 3, True)
    assert told["seconds"] == pytest.approx(2 * 60 / 59.4, abs=0.1)
    shown = run("plan", "in.csv", "--chunk-size", "10", folder=tmp_path)
    assert shown.returncode == 0
    assert "25   of at most 10 customers" in shown.stdout


def test_a_plan_of_an_invalid_file_says_that_nothing_would_be_sent(tmp_path: Path) -> None:
    write(tmp_path, f"1,{BADGE}", "x,")
    done = run("plan", "in.csv", folder=tmp_path)
    assert done.returncode == 3
    assert "would send nothing" in done.stdout
    assert (
        run("plan", "in.csv", "--on-invalid", "skip", "--max-invalid", "50%", folder=tmp_path).returncode == 0
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "line"),
    [
        (["issue", "in.csv"], {}, 2, "BASE_URL is missing"),
        (["issue", "in.csv"], {"BASE_URL": "http://api.example.com"}, 2, "must use https"),
        (["issue", "nowhere.csv"], {}, 2, "BASE_URL is missing"),
        (["validate", "nowhere.csv"], {}, 2, "does not exist"),
        (["validate", "."], {}, 2, "is a folder"),
        (["validate", "empty.csv"], {}, 3, "is empty"),
        (["validate", "header.csv"], {}, 3, "no data rows"),
        (
            ["validate", "semicolon.csv", "--delimiter", "comma"],
            {},
            3,
            "separated by ';'; leave --delimiter out",
        ),
        (["validate", "semicolon.csv", "--delimiter", "dot"], {}, 2, "use comma, semicolon, tab or pipe"),
        (["validate", "near.csv"], {}, 3, "did you mean 'custmer_id'?"),
        (["show", "20260101-000000-abcdef"], {}, 2, "knows no batch"),
        (["show"], {}, 2, "holds no batch yet"),
        (["--config", "none.toml", "batches"], {}, 2, "none.toml can't be read"),
        (["issue", "in.csv", "--max-invalid", "many"], {}, 2, "--max-invalid 'many'"),
        (["issue", "in.csv", "--map", "x"], {}, 2, "HEADER=COLUMN"),
        (["validate", "in.csv", "--owner-type", "Nobody"], {}, 2, "is no owner type"),
        (["batches"], {"LEDGER": "mysql://host/db"}, 2, "LEDGER must be sqlite:///PATH"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], code: int, line: str
) -> None:
    write(tmp_path, f"1,{BADGE}")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text("customer_id,badge_meta_id\n")
    (tmp_path / "semicolon.csv").write_text("customer_id;badge_meta_id\n1;2\n")
    (tmp_path / "near.csv").write_text("custmer_id,badge_meta_id\n1,2\n")
    done = run(*arguments, folder=tmp_path, **variables)
    assert done.returncode == code
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("batch-issuer: ")
    assert done.stdout == ""


def test_a_misspelt_variable_is_told(tmp_path: Path) -> None:
    done = run("batches", folder=tmp_path, RATES="5")
    assert "BATCH_ISSUER_RATES is no setting" in done.stderr
    assert "did you mean BATCH_ISSUER_RATE?" in done.stderr


def test_a_template_is_written_once_and_never_over_a_file(tmp_path: Path) -> None:
    assert run("template", "csv", folder=tmp_path).returncode == 0
    blank = (ROOT / "input_templates" / "blank.csv").read_bytes()
    assert (tmp_path / "badges.csv").read_bytes() == blank
    assert run("template", folder=tmp_path).returncode == 2
    assert run("template", "csv", "--to", "other.csv", folder=tmp_path).returncode == 0


def test_a_blank_workbook_is_written_and_read(tmp_path: Path) -> None:
    done = run("template", "xlsx", folder=tmp_path)
    assert done.stdout == "Wrote badges.xlsx. Fill it in, then: batch-issuer validate badges.xlsx\n"
    assert run("template", "xlsx", folder=tmp_path).returncode == 2
    assert "has a header, but no data rows" in run("validate", "badges.xlsx", folder=tmp_path).stderr


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Let the commands read some bytes from standard input."""

    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_file_may_come_in_on_standard_input(
    tmp_path: Path, standard_input: Callable[[bytes], None], command: str
) -> None:
    standard_input(f"customer_id;badge_meta_id\n7;{BADGE}\n".encode("utf-16"))
    done = run(command, "-", folder=tmp_path)
    assert done.returncode == 0
    assert "standard input: 1 row" in done.stdout
    assert "Read as UTF-16, separated by semicolons" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04", "standard input is read as text; name any other kind of file by its path"),
        (b"x" * 101, "standard input is larger than 100 bytes; split it"),
        (b"", "standard input: row 1 is empty"),
        (b"x,y\n1,2\n", "standard input has no column for customer_id"),
    ],
)
def test_what_comes_in_on_standard_input_is_refused_by_that_name(
    tmp_path: Path, standard_input: Callable[[bytes], None], content: bytes, told: str
) -> None:
    standard_input(content)
    done = run("validate", "-", folder=tmp_path, MAX_FILE_BYTES="100")
    assert done.returncode == 3
    assert told in done.stderr


def test_a_thousand_mistakes_are_all_told_in_one_run_in_input_order_and_soon(tmp_path: Path) -> None:
    mistakes = {
        ("x", BADGE): ["not_a_number"],
        (f"{10**19}", BADGE): ["out_of_range"],
        ("7", "short"): ["pattern"],
        ("", "short"): ["missing", "pattern"],
        ("1.5E+10", BADGE): ["digits_lost"],
    }
    rows = list(mistakes) * 167
    write(tmp_path, *map(",".join, rows))
    began = time.monotonic()
    done = run("validate", "in.csv", "--json", "--rejects", "rejects.csv", folder=tmp_path)
    seconds = time.monotonic() - began
    told = [(problem["row"], problem["rule"]) for problem in json.loads(done.stdout)["problems"]]
    assert told == [(number, rule) for number, row in enumerate(rows, 2) for rule in mistakes[row]]
    assert len(told) == 1_002
    assert (tmp_path / "rejects.csv").read_text("utf-8-sig").count("\n") == len(rows) + 1
    assert seconds < 5


def test_an_empty_history_says_how_to_begin(tmp_path: Path) -> None:
    done = run("batches", folder=tmp_path)
    assert done.stdout == "No batch yet. Next: batch-issuer issue FILE\n"
    assert json.loads(run("batches", "--json", folder=tmp_path).stdout) == []
