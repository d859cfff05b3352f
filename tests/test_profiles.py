"""Profiles: one file of settings for several organisations, of which none gets what is another's."""

import os
import pickle
import threading
from pathlib import Path

import pytest

from batch_issuer.errors import SettingsError, UnknownProfile
from batch_issuer.gateway.access import BasicLogin, OAuthClient, sending_access
from batch_issuer.settings import PREFIX, Settings, beats_profile, load_settings
from batch_issuer.site import Site

TWO = """
rate = 60
timeout = 20
base_url = "https://api.example.com"

[profiles.north]
rate = 5
org_id = "1"
username = "north.till"
password = "north-secret"

[profiles.south-2]
org_id = "2"
username = "south.till"
password_file = "south"
"""


def env(**values: str) -> dict[str, str]:
    return {PREFIX + name.upper(): value for name, value in values.items()}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "south").write_text("south-secret\n")
    path = tmp_path / "batch_issuer.toml"
    path.write_text(TWO)
    return path


def load(profile: str | None = None, **variables: str) -> Settings:
    return load_settings(options={"profile": profile}, environ=env(**variables))


def refusal(profile: str | None, **variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(profile, **variables)
    message = str(refused.value)
    assert message.isprintable()
    return message


def password_of(settings: Settings) -> str:
    assert settings.password is not None
    return settings.password.get_secret_value()


def test_a_profile_beats_what_stands_above_it_and_the_rest_holds_for_all() -> None:
    north, south = load("north"), load("south-2")
    assert (north.rate, north.timeout, north.org_id, password_of(north)) == (5, 20, "1", "north-secret")
    assert (south.rate, south.timeout, south.org_id, password_of(south)) == (60, 20, "2", "south-secret")


def test_the_environment_beats_a_profile_and_an_option_beats_both() -> None:
    settings = load_settings(options={"profile": "north", "timeout": 3}, environ=env(rate="7", timeout="4"))
    assert (settings.rate, settings.timeout, settings.org_id) == (7, 3, "1")


def test_a_profile_is_chosen_by_option_else_by_the_environment_else_by_the_file(config: Path) -> None:
    assert load().profile is None
    config.write_text(f'profile = "north"\n{TWO}')
    assert load().org_id == "1"
    assert load_settings(environ=env(profile="south-2")).org_id == "2"
    assert load_settings(options={"profile": "north"}, environ=env(profile="south-2")).org_id == "1"


def test_an_empty_name_chooses_no_profile_whatever_else_does(config: Path) -> None:
    config.write_text(f'profile = "north"\n{TWO}')
    settings = load("")
    assert (settings.profile, settings.org_id) == (None, None)


def test_without_a_profile_none_of_them_counts() -> None:
    settings = load()
    assert (settings.rate, settings.org_id, settings.password) == (60, None, None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nort", "batch_issuer.toml has no profile 'nort'; did you mean north?"),
        ("east", "batch_issuer.toml has no profile 'east'; it has north, south-2"),
        ("a b", "has no profile 'a b'"),
        ("north\n", r"has no profile 'north\n'; did you mean north?"),
    ],
)
def test_an_unknown_profile_is_refused_with_the_nearest_or_all_there_are(name: str, told: str) -> None:
    assert told in refusal(name)


def test_where_there_are_no_profiles_it_is_said_how_to_write_one(config: Path) -> None:
    config.write_text("rate = 5\n")
    assert "it has none; write one as [profiles.NAME]" in refusal("north")
    config.unlink()
    assert "batch_issuer.toml has no profile 'north'" in refusal("north")


def test_a_profile_whose_name_has_other_characters_can_not_be_chosen(config: Path) -> None:
    config.write_text('[profiles."a b"]\nrate = 5\n[profiles.fine]\n')
    assert refusal("a b").endswith("has no profile 'a b'; it has fine")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[profiles.north]\nrate = "fast"\n', "profile north: RATE: "),
        ("[profiles.north]\nrat = 5\n", "profile north: batch_issuer.toml has an unknown setting 'rat'"),
        ('[profiles.north]\npassword_file = "no"\n', "profile north: PASSWORD_FILE names no, which can't"),
        (
            '[profiles.north]\npassword_file = "south"\npassword = "x"\n',
            "profile north: batch_issuer.toml gives both PASSWORD and PASSWORD_FILE",
        ),
        ('[profiles.north]\nprofile = "south"\n', "profile north: a profile can't choose a profile"),
        (
            "[profiles.north.east]\nrate = 5\n",
            "profile north: batch_issuer.toml has an unknown setting 'east'",
        ),
        ("profiles = 5\n", "profiles are tables like [profiles.north]"),
        ("profiles.north = 5\n", "a profile is a table like [profiles.north]"),
    ],
)
def test_what_is_wrong_with_the_chosen_profile_is_told_with_its_name(
    config: Path, text: str, told: str
) -> None:
    config.write_text(text)
    assert told in refusal("north")


def test_what_is_wrong_beside_a_profile_is_not_laid_at_its_door(config: Path) -> None:
    config.write_text('timeout = "long"\n[profiles.north]\nrate = 5\n')
    assert "profile" not in refusal("north")
    assert "profile" not in refusal("north", timeout="3", rate="fast")


def test_other_profiles_are_not_read(config: Path) -> None:
    config.write_text('[profiles.north]\nrate = 5\n[profiles.bad]\nnonsense = 1\npassword_file = "gone"\n')
    assert load("north").rate == 5
    assert load().rate == 100


def test_a_table_that_is_misspelt_is_told(config: Path) -> None:
    config.write_text("[profile.north]\nrate = 5\n")
    assert "a profile is a table like [profiles.north]" in refusal(None)


def test_a_secret_of_a_profile_counts_whichever_form_it_and_the_one_above_have(config: Path) -> None:
    config.write_text(
        'password_file = "gone"\nui_auth_token = "shared"\n'
        '[profiles.north]\npassword = "own"\n[profiles.south]\npassword_file = "south"\n'
    )
    assert password_of(load("north")) == "own"
    assert password_of(load("south")) == "south-secret"
    token = load("south").ui_auth_token
    assert token is not None
    assert token.get_secret_value() == "shared"


ENTITY = "".join(f'{name}_id = "1"\n' for name in ("till", "store", "zone", "concept"))
COMMON = f"""
base_url = "https://api.example.com"
client_key = "common-key"
client_secret = "common-secret"
intouch_authorization = "Basic Y29tbW9uOmNvbW1vbg=="
checker_client_key = "common-checker"
{ENTITY}
"""


def test_a_profile_with_a_login_never_uses_that_of_the_others_in_another_form(config: Path) -> None:
    config.write_text(f'{COMMON}[profiles.north]\nusername = "north"\npassword = "own"\n')
    access, inner = sending_access(load("north"))
    assert access.login == BasicLogin(username="north", password="own")
    assert inner.authorization == BasicLogin(username="north", password="own").authorization


def test_a_profile_with_oauth_needs_an_inner_authorization_of_its_own(config: Path) -> None:
    config.write_text(f'{COMMON}[profiles.north]\nclient_key = "own"\nclient_secret_file = "south"\n')
    with pytest.raises(SettingsError, match="INTOUCH_AUTHORIZATION is missing"):
        sending_access(load("north"))
    assert load("north").checker_client_key is not None


def test_a_profile_without_a_login_uses_that_of_all(config: Path) -> None:
    config.write_text(f'{COMMON}[profiles.north]\norg_id = "7"\n')
    access, inner = sending_access(load("north"))
    assert access.login == OAuthClient(key="common-key", secret="common-secret")
    assert inner.authorization == "Basic Y29tbW9uOmNvbW1vbg=="


def test_variables_that_count_in_place_of_what_a_profile_gives_are_named() -> None:
    variables = env(
        password="everybodys", password_file="", username_file="x", client_key_file="y", timeout="4"
    )
    variables |= env(intouch_authorization="Basic x", rate="", profile="south-2")
    assert beats_profile(load("north"), variables) == [
        "BATCH_ISSUER_CLIENT_KEY_FILE",
        "BATCH_ISSUER_INTOUCH_AUTHORIZATION",
        "BATCH_ISSUER_PASSWORD",
    ]
    assert beats_profile(load(), variables) == []


def test_a_file_that_can_be_read_only_once_is_enough(config: Path) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=[config.read_text()])
    config.unlink()
    writer.start()
    settings = load_settings(config=Path("pipe"), options={"profile": "north"}, environ={})
    writer.join()
    assert settings.org_id == "1"
    assert beats_profile(settings, env(password="x")) == ["BATCH_ISSUER_PASSWORD"]


def test_a_batch_records_its_profile_and_none_of_its_secrets() -> None:
    public = load("north").public()
    assert public["profile"] == "north"
    assert not {"username", "password"} & set(public)


def test_each_secret_of_the_chosen_profile_is_kept_out_of_what_is_shown() -> None:
    assert "south-secret" in set(load("south-2").secrets())
    assert "north-secret" not in set(load("south-2").secrets())


def test_a_worker_takes_the_secrets_of_the_profile_that_was_chosen_here(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(TWO.replace('"south"', f'"{config.parent / "south"}"'))
    config.rename("other.toml")
    loaded = [
        load_settings(config=Path("other.toml"), options={"profile": profile}, environ={})
        for profile in ("north", "south-2", "")
    ]
    sites = [Site(settings) for settings in loaded]
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    monkeypatch.setenv("BATCH_ISSUER_PROFILE", "north")  # of the worker, where it matters to nobody
    travelled = pickle.dumps(sites)
    assert b"north-secret" not in travelled
    north, south, none = (site.settings() for site in pickle.loads(travelled))  # noqa: S301 - our own
    assert (north.org_id, password_of(north)) == ("1", "north-secret")
    assert (south.org_id, password_of(south)) == ("2", "south-secret")
    assert (none.profile, none.org_id, none.password) == (None, None, None)


def test_a_worker_without_the_profile_refuses(config: Path) -> None:
    travelled = pickle.dumps(Site(load("north")))
    config.write_text("")
    with pytest.raises(UnknownProfile, match="has no profile 'north'"):
        pickle.loads(travelled).settings()  # noqa: S301 - our own
