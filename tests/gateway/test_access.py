"""Which settings make an access, and what is said of those that do not."""

import pytest

from batch_issuer.errors import SettingsError
from batch_issuer.gateway import normal_url, read_access, sending_access
from batch_issuer.gateway.access import BasicLogin, OAuthClient, other_path_form
from batch_issuer.settings import Settings, load_settings

BASIC = {"base_url": "https://API.example.com:443/", "username": "till", "password": "pa:ss"}
OAUTH = {"base_url": "https://api.example.com", "client_key": "key-1", "client_secret": "secret-1"}
ENTITY = {"till_id": "1", "store_id": "2", "zone_id": "3", "concept_id": "4"}


def settings(*parts: dict[str, str], **more: str) -> Settings:
    merged = {name: value for part in parts for name, value in part.items()}
    return load_settings(options={**merged, **more}, environ={})


def test_basic_credentials_are_joined_as_given_and_encoded() -> None:
    login = read_access(settings(BASIC)).login
    assert isinstance(login, BasicLogin)
    assert login.authorization == "Basic dGlsbDpwYTpzcw=="


def test_oauth_is_chosen_where_both_are_given() -> None:
    assert isinstance(read_access(settings(BASIC, OAUTH)).login, OAuthClient)


def test_one_server_is_one_server_however_it_is_written() -> None:
    assert read_access(settings(BASIC)).base_url == "https://api.example.com"
    assert normal_url("HTTPS://Api.Example.com:8443") == "https://api.example.com:8443"
    assert normal_url("http://[::1]:8080/") == "http://[::1]:8080"


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        sending_access(settings({}))
    for name in ("BASE_URL", "USERNAME", "PASSWORD", "TILL_ID", "STORE_ID", "ZONE_ID", "CONCEPT_ID"):
        assert name in str(raised.value)


@pytest.mark.parametrize("lonely", ["client_key", "client_secret"])
def test_half_of_an_oauth_pair_is_refused(lonely: str) -> None:
    with pytest.raises(SettingsError, match="go together"):
        read_access(settings(BASIC, {lonely: "x"}))


def test_oauth_needs_an_authorization_for_the_inner_call() -> None:
    with pytest.raises(SettingsError, match="INTOUCH_AUTHORIZATION"):
        sending_access(settings(OAUTH, ENTITY))
    _, inner = sending_access(settings(OAUTH, ENTITY, intouch_authorization="Basic abc"))
    assert inner.authorization == "Basic abc"


def test_the_inner_call_takes_the_host_and_the_basic_login_by_default() -> None:
    access, inner = sending_access(settings(BASIC, ENTITY))
    assert (inner.hostname, inner.authorization) == (access.base_url, "Basic dGlsbDpwYTpzcw==")


@pytest.mark.parametrize(
    "name", ["ui_auth_token", "org_id", "till_id", "workflow_path", "intouch_authorization", "password"]
)
@pytest.mark.parametrize("value", ["a\nb", "a\x00b", "a\udcff"])
def test_what_no_header_and_no_body_can_carry_is_refused_before_anything_is_sent(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=name.upper()) as raised:
        sending_access(settings(BASIC, ENTITY, {name: value}))
    assert value not in str(raised.value)


def test_a_password_may_hold_spaces_and_letters_of_any_script() -> None:
    login = read_access(settings(BASIC, password="p\u00a0\u00e4 \u6f22")).login
    assert isinstance(login, BasicLogin)


def test_a_path_is_taken_as_it_is_set() -> None:
    access = read_access(settings(BASIC, workflow_path="/a/b", requests_path="/c"))
    assert (access.workflow_path, access.requests_path) == ("/a/b", "/c")
    assert read_access(settings(BASIC, workflow_path="/a/b")).requests_path == "/a/b"


def test_each_form_of_the_path_names_the_other() -> None:
    long, short = "/v2/api_gateway/v2/request-workflow", "/api_gateway/v2/request-workflow"
    assert (other_path_form(long), other_path_form(short)) == (short, long)


def test_no_repr_shows_a_credential() -> None:
    for made in (settings(BASIC), settings(OAUTH)):
        secret_free = repr(read_access(made))
        assert not {"till", "pa:ss", "key-1", "secret-1"} & set(secret_free.replace("'", " ").split())
    _, inner = sending_access(settings(BASIC, ENTITY))
    assert "dGlsbDpwYTpzcw" not in repr(inner)
