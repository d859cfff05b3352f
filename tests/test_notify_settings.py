"""The settings of notices: how addresses are told apart, what is refused, what counts as a secret."""

from datetime import time
from pathlib import Path

import pytest

from batch_issuer.errors import SettingsError
from batch_issuer.notices import channels_in
from batch_issuer.notify_settings import Threshold, addresses, time_of_day
from batch_issuer.redaction import Redactor
from batch_issuer.settings import PREFIX, Settings, load_settings

MAIL = "mailtos://ops:hunter2pass@mail.example.com?to=a@example.com,b@example.com&from=n@example.com"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts"
HOOK = "jsons://hooks.example.com/in/9f8e7d6c5b4a?+X-Api-Key=abcdefg"


def load(**values: str) -> Settings:
    return load_settings(environ={PREFIX + name.upper(): value for name, value in values.items()})


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n", "\r\n", " ,\n "])
def test_addresses_are_parted_by_blanks_lines_or_commas(tmp_path: Path, between: str) -> None:
    (tmp_path / "channels").write_text(between.join((MAIL, SLACK, MAIL)) + "\n")
    settings = load(notify_file=str(tmp_path / "channels"))

    assert settings.notify is not None
    assert addresses(settings.notify.get_secret_value()) == (MAIL, SLACK)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("notify", "ops@example.com", "NOTIFY holds no address at place 1"),
        ("notify", f"{MAIL} hunter2pass", "NOTIFY holds no address at place 2"),
        ("notify_checkers", "mailto://", "NOTIFY_CHECKERS holds no address at place 1"),
        ("notify", f"{MAIL}&verify=no", "NOTIFY must not leave out the check of certificates"),
        ("notify", f"{HOOK}&Verify=FALSE", "NOTIFY must not leave out the check of certificates"),
        ("notify", f"{HOOK}&redirect=yes", "NOTIFY must not follow redirects"),
        ("notify_failed", "many", "NOTIFY_FAILED must be a count like 25 or a percentage like 10%"),
        ("notify_failed", "101%", "NOTIFY_FAILED must be a count"),
        ("notify_no_file_by", "7:30", "NOTIFY_NO_FILE_BY must be a time of day like 07:30, not '7:30'"),
        ("notify_digest_at", "24:00", "NOTIFY_DIGEST_AT must be a time of day"),
        ("notify_pending_hours", "-1", "NOTIFY_PENDING_HOURS"),
    ],
)
def test_what_can_not_be_meant_is_refused_without_repeating_a_secret(name: str, value: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})

    assert why in str(refused.value)
    assert "hunter2pass" not in str(refused.value)


@pytest.mark.parametrize("name", ["notify", "notify_checkers"])
def test_passwords_and_tokens_in_addresses_are_kept_out_of_text(name: str) -> None:
    settings = load(**{name: f"{MAIL} {SLACK} {HOOK}"})
    redact = Redactor(settings.secrets())
    told = redact(f"login ops hunter2pass at mail.example.com; {SLACK[8:]}; 9f8e7d6c5b4a with abcdefg")

    for secret in ("hunter2pass", "TIiajkdnlazkcOXrIdevi7FQ", "9f8e7d6c5b4a", "abcdefg"):
        assert secret not in told
    assert "login ops" in told
    assert "at mail.example.com" in told
    for shown in (repr(settings), str(settings.public()), settings.model_dump_json()):
        assert "hunter2pass" not in shown


def test_a_new_password_makes_no_new_channel() -> None:
    (before,), (after,) = (channels_in(MAIL.replace("hunter2pass", word)) for word in ("one", "two"))
    (another,) = channels_in(MAIL.replace("a@example.com", "c@example.com"))

    assert before.id == after.id != another.id
    assert "one" not in repr(before)


@pytest.mark.parametrize(
    ("threshold", "failed", "rows", "is_reached"),
    [
        ("1", 1, 100, True),
        ("1", 0, 100, False),
        ("5", 4, 10, False),
        ("5", 5, 10, True),
        ("5%", 4, 100, False),
        ("5%", 5, 100, True),
        ("0.5 %", 1, 200, True),
        ("0", 9, 9, False),
        ("0%", 9, 9, False),
        ("100%", 9, 9, True),
    ],
)
def test_a_threshold_is_a_count_or_a_share(threshold: str, failed: int, rows: int, is_reached: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Threshold.parse(threshold).is_reached(failed=failed, rows=rows) is is_reached


def test_a_time_of_day_is_read() -> None:
    assert time_of_day("07:30") == time(7, 30)
    assert time_of_day(None) is None
