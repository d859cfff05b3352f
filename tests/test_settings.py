"""Settings: which source wins, what is refused, and that secrets never show."""

import traceback
from pathlib import Path

import pytest

from batch_issuer.addresses import is_loopback
from batch_issuer.errors import SettingsError
from batch_issuer.settings import (
    PREFIX,
    Settings,
    load_settings,
    secret_names,
    unknown_variables,
)

SECRET = "s3cret-Value!"


def env(**values: str) -> dict[str, str]:
    return {PREFIX + name.upper(): value for name, value in values.items()}


def toml(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(**variables: str) -> str:
    return file_refusal(None, **variables)


def file_refusal(config: Path | None, **variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(config=config, environ=env(**variables))
    message = str(refused.value)
    assert message.isprintable()
    assert message.startswith("settings: ")
    return message


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_option_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    config = toml(tmp_path, "chunk_size = 1\nrate = 2\ntimeout = 3\n")

    settings = load_settings(
        config=config, options={"chunk_size": 20}, environ=env(chunk_size="10", rate="11")
    )

    assert (settings.chunk_size, settings.rate, settings.timeout) == (20, 11, 3)


def test_an_option_that_was_not_given_and_an_empty_variable_count_as_unset(tmp_path: Path) -> None:
    config = toml(tmp_path, "chunk_size = 7\n")

    settings = load_settings(
        config=config, options={"chunk_size": None}, environ=env(chunk_size="", password="", password_file="")
    )

    assert settings.chunk_size == 7
    assert settings.password is None


def test_without_any_source_the_defaults_hold() -> None:
    settings = load_settings(environ={})

    assert (settings.chunk_size, settings.concurrency, settings.rate) == (100, 8, 100)
    assert (settings.timeout, settings.max_attempts, settings.settle) == (30, 5, 5)
    assert settings.ledger_url == "sqlite:///output/ledger.db"


def test_the_default_file_is_read_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "batch_issuer.toml").write_text("chunk_size = 3\n")

    assert load_settings(environ={}).chunk_size == 3


def test_the_ledger_stands_in_the_output_folder_unless_it_is_named() -> None:
    assert load_settings(environ=env(output="there")).ledger_url == "sqlite:///there/ledger.db"
    assert load_settings(environ=env(ledger="sqlite:////var/l.db")).ledger_url == "sqlite:////var/l.db"


def test_a_secret_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(f"{SECRET}\n")
    (tmp_path / "two").write_bytes(b"\xef\xbb\xbf" + f" {SECRET}\r\n".encode())
    config = toml(tmp_path, f'client_secret_file = "{tmp_path / "two"}"\n')

    settings = load_settings(config=config, environ=env(password_file=str(tmp_path / "one")))

    assert settings.password is not None
    assert settings.password.get_secret_value() == SECRET
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == SECRET


def test_a_secret_file_of_the_environment_beats_a_secret_of_the_toml_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(SECRET)
    config = toml(tmp_path, 'password = "other"\n')

    settings = load_settings(config=config, environ=env(password_file=str(tmp_path / "one")))

    assert settings.password is not None
    assert settings.password.get_secret_value() == SECRET


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00"])
def test_a_secret_file_that_is_missing_empty_or_no_text_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "one"
    if content is not None:
        path.write_bytes(content)

    assert f"PASSWORD_FILE names {path}, which can't be read, or is empty" in refusal(password_file=str(path))


@pytest.mark.parametrize("value", ["5", '["a"]', r'"a\u0000b"', "true"])
def test_a_secret_file_that_is_no_path_is_refused_in_one_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="PASSWORD_FILE names"):
        load_settings(config=toml(tmp_path, f"password_file = {value}\n"), environ={})


def test_a_secret_and_its_file_in_one_place_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(SECRET)
    one = str(tmp_path / "one")

    assert "both PASSWORD and PASSWORD_FILE" in refusal(password="x", password_file=one)
    config = toml(tmp_path, f'password = "x"\npassword_file = "{one}"\n')
    assert "both PASSWORD and PASSWORD_FILE" in file_refusal(config)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("chunksize", "chunk_size"),
        ("CHUNK_SIZE", "chunk_size"),
        ("BATCH_ISSUER_CHUNK_SIZE", "chunk_size"),
        ("pasword_file", "password_file"),
    ],
)
def test_an_unknown_setting_of_the_file_names_the_nearest(tmp_path: Path, key: str, near: str) -> None:
    assert f"unknown setting '{key}'; did you mean {near}?" in file_refusal(toml(tmp_path, f"{key} = 5\n"))


def test_all_unknown_settings_are_named_at_once(tmp_path: Path) -> None:
    message = file_refusal(toml(tmp_path, "xyzzy = 1\n[plugh]\na = 1\n"))

    assert "'xyzzy'" in message
    assert "'plugh'" in message


@pytest.mark.parametrize("content", ["a = ", "= 5", "a = 1\na = 2", "\x00"])
def test_a_file_that_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    assert "settings.toml can't be read" in file_refusal(toml(tmp_path, content))


def test_a_file_that_is_missing_a_folder_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"source = '\xe9'")

    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "latin.toml"):
        assert f"{path} can't be read" in file_refusal(path)


def test_wrong_values_are_all_named_in_one_line() -> None:
    message = refusal(
        chunk_size="0",
        rate="fast",
        timeout="nan",
        timezone="Mars/Olympus",
        base_url="ftp://host",
        intouch_hostname="http://example.com",
        badge_pattern="[0-9",
    )

    for name in (
        "CHUNK_SIZE",
        "RATE",
        "TIMEOUT",
        "TIMEZONE",
        "BASE_URL",
        "INTOUCH_HOSTNAME",
        "BADGE_PATTERN",
    ):
        assert name in message


def test_a_number_where_text_is_meant_says_what_to_do(tmp_path: Path) -> None:
    assert "TILL_ID must be text; in a TOML file put it in quotes" in file_refusal(
        toml(tmp_path, "till_id = 12\n")
    )


@pytest.mark.parametrize("zone", ["Nowhere", "../etc/passwd", "/etc/localtime", "Europe", " "])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    assert "write it like Europe/Berlin" in refusal(timezone=zone)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com/",
        "HTTPS://API.example.com:8443",
        "https://10.0.0.1",
        "http://localhost:8080",
        "http://LOCALHOST",
        "http://127.0.0.1:8080",
        "http://127.8.9.10",
        "http://[::1]:8080",
    ],
)
def test_https_anywhere_and_http_on_this_machine_are_taken(url: str) -> None:
    assert load_settings(environ=env(base_url=url, intouch_hostname=url)).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.example.com",
        "http://api.localhost",
        "http://127.0.0.1.example.com",
        "http://[::2]",
    ],
)
def test_plain_http_to_another_machine_needs_a_word(url: str) -> None:
    assert "BASE_URL must use https" in refusal(base_url=url)
    assert load_settings(environ=env(base_url=url, allow_http="true")).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "https://",
        "https:api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://api.example.com/v2",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        f"https://user:{SECRET}@api.example.com",
        f"https://:{SECRET}@api.example.com",
        "https://@api.example.com",
        "https://api.example.com:99999",
        "https://api.example.com:port",
        "https://[::1",
        "https://api example.com",
        "https://api.example.com\\@evil.example",
        " https://api.example.com",
    ],
)
def test_an_address_that_is_not_scheme_and_host_alone_is_refused_without_repeating_it(url: str) -> None:
    for name in ("base_url", "intouch_hostname"):
        message = refusal(**{name: url, "allow_http": "true"})
        assert name.upper() in message
        assert SECRET not in message


@pytest.mark.parametrize(
    "path", ["v2/x", "//evil.example/x?", "/v2?x=1", "/v2#x", "/v2 x", "https://evil.example"]
)
def test_a_base_path_is_a_path_and_nothing_else(path: str) -> None:
    assert "WORKFLOW_PATH: write it as a path like /v2/" in refusal(workflow_path=path)
    assert "REQUESTS_PATH: write it as a path like /v2/" in refusal(requests_path=path)
    assert load_settings(environ=env(requests_path="/api_gateway/v1")).requests_path == "/api_gateway/v1"


@pytest.mark.parametrize(
    "url",
    [
        "ledger.db",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite:///x.db?mode=memory",
    ],
)
def test_a_ledger_that_would_not_last_is_refused(url: str) -> None:
    assert "LEDGER must be sqlite:///PATH" in refusal(ledger=url)


def test_a_ledger_on_a_server_is_taken_without_its_password_ever_showing() -> None:
    url = f"postgresql://issuer:{SECRET}%40x@db.example:5432/badges?sslmode=require"

    settings = load_settings(environ=env(ledger=url))

    assert settings.ledger_url == url
    assert settings.public()["ledger"] == "postgresql://issuer:***@db.example:5432/badges?sslmode=require"
    assert {f"{SECRET}%40x", f"{SECRET}@x"} <= set(settings.secrets())
    assert SECRET not in f"{settings!r}{settings}{settings.public()}{settings.model_dump_json()}"


@pytest.mark.parametrize("url", ["postgresql:///badges", "postgresql://db.example/badges"])
def test_a_ledger_on_a_server_needs_no_password_of_ours(url: str) -> None:
    settings = load_settings(environ=env(ledger=url))

    assert settings.public()["ledger"] == settings.ledger_url == url
    assert list(settings.secrets()) == []


def test_a_ledger_with_its_password_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text(f"postgresql://issuer:{SECRET}@db/badges\n")

    settings = load_settings(environ=env(ledger_file=str(tmp_path / "ledger")))

    assert settings.ledger_url == f"postgresql://issuer:{SECRET}@db/badges"


@pytest.mark.parametrize(
    "url", [f"postgresql://db/badges?password={SECRET}", f"postgresql://[{SECRET}/badges"]
)
def test_a_ledger_whose_password_could_show_is_refused_without_repeating_it(url: str) -> None:
    message = refusal(ledger=url)

    assert "LEDGER " in message
    assert SECRET not in message


def test_a_path_of_a_ledger_is_no_secret() -> None:
    settings = load_settings(environ=env(ledger="sqlite:////var/l.db"))

    assert list(settings.secrets()) == []
    assert settings.public()["ledger"] == "sqlite:////var/l.db"


@pytest.mark.parametrize(
    "name", ["org_id", "username", "password", "ui_auth_token", "source", "reference_id"]
)
def test_a_line_break_in_a_setting_is_refused_without_repeating_it(name: str) -> None:
    message = refusal(**{name: f"{SECRET}\r\nX-Evil: 1"})

    assert f"{name.upper()} holds a control character" in message
    assert SECRET not in message


def test_a_value_that_is_no_utf_8_is_refused_in_one_line() -> None:
    assert "PASSWORD" in refusal(password=f"{SECRET}\udcff")


@pytest.mark.parametrize("name", sorted(secret_names() - {"ledger", "notify", "notify_checkers"}))
def test_secrets_show_nowhere(name: str) -> None:
    settings = load_settings(environ=env(**{name: SECRET}))

    assert SECRET in set(settings.secrets())
    assert SECRET not in f"{settings!r}{settings}{settings.public()}{settings.model_dump_json()}"


@pytest.mark.parametrize("name", sorted(secret_names() - {"ledger"}))
def test_secrets_show_nowhere_when_another_setting_is_wrong(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ=env(**{name: SECRET}, chunk_size="x", base_url="nonsense"))

    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("value", [f'["{SECRET}"]', f'{{ x = "{SECRET}" }}'])
def test_a_secret_of_the_wrong_kind_does_not_show_in_the_refusal(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="PASSWORD") as refused:
        load_settings(config=toml(tmp_path, f"password = {value}\n"), environ={})

    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_the_pair_that_basic_authentication_sends_is_a_secret_too() -> None:
    settings = load_settings(environ=env(username="till", password=SECRET))

    assert f"till:{SECRET}" in set(settings.secrets())
    assert "username" not in settings.public()
    assert list(load_settings(environ=env(username="till")).secrets()) == []


def test_settings_can_not_be_changed_once_they_are_checked() -> None:
    settings = load_settings(environ={})

    with pytest.raises(ValueError, match="frozen"):
        settings.chunk_size = 5


def test_what_is_shown_can_be_read_again_as_it_was() -> None:
    settings = load_settings(environ=env(base_url="https://h.example", output="o", reference_id="r1"))

    assert load_settings(options=settings.public(), environ={}) == settings


def test_variables_that_are_no_settings_are_named() -> None:
    environ = env(chunk_size="1", password="x", password_file="x", chunksize="1", username_file="x")

    assert unknown_variables({**environ, "PATH": "/bin"}) == [f"{PREFIX}CHUNKSIZE", f"{PREFIX}USERNAME_FILE"]


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("example.com", False)],
)
def test_loopback_is_this_machine_alone(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected
