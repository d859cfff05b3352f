"""A file that a URL names is brought here, or refused in one line that keeps secrets to itself."""

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import pytest

from batch_issuer.cli.standard_input import input_file
from batch_issuer.errors import InputRefused, NotFinished, UsageError
from batch_issuer.intake.downloading import FileUrl

from .test_commands import BADGE, run

CONTENT = f"customer_id,badge_meta_id\n7,{BADGE}\n".encode()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Copies are temporary, whatever comes of them."""
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    yield
    assert list(passing.iterdir()) == []


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status = {"/gone.csv": 404, "/closed.csv": 403, "/broken.csv": 500}.get(path, 200)
        self.send_response(status)
        told = len(CONTENT) + (100 if path == "/short.csv" else 0)
        self.send_header("Content-Length", str(told if status == 200 else 0))
        self.end_headers()
        if status == 200 and self.command == "GET":
            self.wfile.write(CONTENT)

    do_HEAD = do_GET  # noqa: N815 - a name of the library

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.fixture
def stored() -> Iterator[str]:
    with fsspec.open("memory://bucket/march list.csv", "wb") as file:
        file.write(CONTENT)
    yield "memory://bucket/march list.csv"
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_a_url_is_read_under_the_name_of_its_last_part(stored: str) -> None:
    with input_file(stored, max_bytes=1000) as path:
        assert path.name == "march list.csv"
        assert path.read_bytes() == CONTENT
    assert not path.exists()


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_url_is_checked_like_a_path(tmp_path: Path, stored: str, command: str) -> None:
    done = run(command, stored, "--json", folder=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["input"] == "march list.csv"
    told = run("validate", stored, folder=tmp_path)
    assert f"Next: batch-issuer plan {stored}" in told.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["passing"]


def test_a_file_of_this_machine_may_be_named_by_a_url(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(CONTENT)
    done = run("validate", (tmp_path / "in.csv").as_uri(), folder=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "in.csv: 1 rows")


def test_a_signed_url_is_used_whole_and_shown_without_what_signs_it(tmp_path: Path, server: str) -> None:
    done = run("validate", f"{server}/in%20march.csv?X-Signature=s3cr3t", folder=tmp_path)
    assert done.returncode == 0
    assert "in march.csv: 1 rows" in done.stdout
    missing = run("validate", f"{server}/gone.csv?X-Signature=s3cr3t", folder=tmp_path)
    assert missing.stderr == f"batch-issuer: the input file {server}/gone.csv does not exist\n"
    assert "s3cr3t" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone.csv", "does not exist"),
        ("closed.csv", "can't be read: no permission with the credentials that were found"),
        ("broken.csv", "can't be read (HTTP 500)"),
    ],
)
def test_what_a_server_refuses_is_told_in_one_line(server: str, name: str, told: str) -> None:
    with pytest.raises(UsageError) as refused, input_file(f"{server}/{name}", max_bytes=1000):
        pass
    assert str(refused.value) == f"the input file {server}/{name} {told}"


def test_a_download_that_breaks_off_can_be_tried_again(server: str) -> None:
    with (
        pytest.raises(NotFinished, match=r"short\.csv broke off while it was read \(.*\); nothing was sent"),
        input_file(f"{server}/short.csv", max_bytes=1000),
    ):
        pass


def test_a_larger_file_is_refused_on_the_way(stored: str) -> None:
    with (
        pytest.raises(InputRefused, match=r"march list\.csv is larger than 10 bytes"),
        input_file(stored, max_bytes=10),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("memory://bucket/none.csv", "the input file memory://bucket/none.csv does not exist"),
        ("s3://bucket/in.csv", "s3://bucket/in.csv can't be read yet: Install s3fs to access S3"),
        ("nowhere://bucket/in.csv", "there is no kind of URL nowhere://"),
        ("s3://bucket/folder/", "s3://bucket/folder/ names no file"),
        ("http://server", "http://server names no file"),
        ("zip://in.csv::s3://bucket/all.zip", "the zip:// URL is none of a single file"),
    ],
)
def test_a_url_that_leads_to_no_file_is_wrong_usage(tmp_path: Path, url: str, told: str) -> None:
    done = run("validate", url, folder=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:s3cr3t@bucket/in.csv",
        "s3://key:s3cr3t/more@bucket/in.csv",
        "ftp://maria:s3cr3t@server:21/in.csv",
        "sftp://maria:12345@server/in.csv",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    done = run("issue", url, folder=tmp_path, BASE_URL="http://127.0.0.1:9", ORG_ID="o", TOKEN="t" * 9)
    assert done.returncode == 2
    assert "holds a password" in done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr
    assert "12345" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url", ["abfs://container@account.dfs.core.windows.net/in.csv", "http://server:8080/in.csv", "sftp://maria@server/in.csv"]
)  # fmt: skip
def test_an_account_or_a_port_is_no_password(url: str) -> None:
    found = FileUrl.parse(url)
    assert found is not None
    assert found.name == "in.csv"


def test_without_the_extra_a_url_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    done = run("validate", "s3://bucket/in.csv", folder=tmp_path)
    assert done.returncode == 2
    assert 'without the extra cluster: pip install "batch_issuer[cluster]"' in done.stderr


@pytest.mark.parametrize("name", ["in.csv", "./in.csv", "C:/in.csv", "a:/b", "-", "s3:/bucket/in.csv"])
def test_a_path_is_no_url(name: str) -> None:
    assert FileUrl.parse(name) is None
