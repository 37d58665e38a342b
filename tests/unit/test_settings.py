"""Settings: whatever is missing or wrong is told at once, in plain words and without the secrets."""

import base64
from pathlib import Path

import pytest

from setuplinks.settings import Settings, SettingsInvalid, load

KEYS = "k1:" + base64.b64encode(bytes(32)).decode()
GOOD = {
    "SETUPLINKS_PUBLIC_URL": "https://links.example.com",
    "SETUPLINKS_MASTER_KEYS": KEYS,
    "SETUPLINKS_OPERATOR_KEY": "sl_op_0123456789abcdef0123",
    "SETUPLINKS_META_APP_ID": "1",
    "SETUPLINKS_META_APP_SECRET": "app-secret",
    "SETUPLINKS_META_CONFIG_ID": "2",
    "SETUPLINKS_META_VERIFY_TOKEN": "verify",
}
NO_FILE = Path("there-is-no-such-file.env")


def _load(file: Path = NO_FILE, **changed: str) -> Settings:
    return load({**GOOD, **{f"SETUPLINKS_{name}": value for name, value in changed.items()}}, file)


def _faults(environ: dict[str, str], file: Path = NO_FILE) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(environ, file)
    return caught.value.lines


def test_the_required_settings_are_enough() -> None:
    settings = _load()
    assert settings.public_url == "https://links.example.com"
    assert settings.database_url is None
    assert not settings.on_loopback


def test_every_missing_setting_is_named_in_one_go() -> None:
    lines = _faults({})
    assert sorted(line.split(" ")[0] for line in lines) == sorted(GOOD)
    assert all("is missing" in line for line in lines)


def test_missing_and_wrong_ones_are_told_together() -> None:
    environ = {**GOOD, "SETUPLINKS_PUBLIC_URL": "http://links.example.com", "SETUPLINKS_MASTER_KEYS": "k1:short",
               "SETUPLINKS_OPERATOR_KEY": "short", "SETUPLINKS_OUTBOUND_ALLOW": "ten", "SETUPLINKS_RATE_STARTS": "-1",
               "SETUPLINKS_META_TRANSPORT": "pigeon", "SETUPLINKS_DATABASE_URL": "mysql://x",
               "SETUPLINKS_META_APP_SECRET_FILE": "/no/such/file"}  # fmt: skip
    del environ["SETUPLINKS_META_APP_ID"], environ["SETUPLINKS_META_APP_SECRET"]
    lines = _faults(environ)
    named = {line.split(" ")[0].removeprefix("SETUPLINKS_") for line in lines}
    assert {"PUBLIC_URL", "MASTER_KEYS", "OPERATOR_KEY", "OUTBOUND_ALLOW", "RATE_STARTS", "META_TRANSPORT"} <= named
    assert {"DATABASE_URL", "META_APP_ID", "META_APP_SECRET_FILE"} <= named


def test_what_is_wrong_is_told_without_the_secret() -> None:
    lines = _faults({**GOOD, "SETUPLINKS_OPERATOR_KEY": "hunter2", "SETUPLINKS_MASTER_KEYS": "k1:c2VjcmV0c2VjcmV0"})
    assert "hunter2" not in "\n".join(lines)
    assert "c2VjcmV0" not in "\n".join(lines)
    assert "app-secret" not in repr(_load())


def test_without_a_master_key_nothing_starts() -> None:
    environ = {name: value for name, value in GOOD.items() if name != "SETUPLINKS_MASTER_KEYS"}
    assert _faults(environ)[0].startswith("SETUPLINKS_MASTER_KEYS is missing")
    assert _faults({**environ, "SETUPLINKS_MASTER_KEYS": ""})[0].startswith("SETUPLINKS_MASTER_KEYS is missing")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "app.localhost:9", "[::1]:8080", "127.9.9.9"])
def test_http_is_taken_on_loopback(host: str) -> None:
    assert _load(PUBLIC_URL=f"http://{host}").on_loopback


@pytest.mark.parametrize(
    "url",
    [
        "http://links.example.com", "http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0", "ftp://x",
        "links.example.com", "https://links.example.com/path", "https://u:p@links.example.com", "https://x.example?a=b",
        "https://", "https://links.example.com:port",
    ],
)  # fmt: skip
def test_a_public_url_that_browsers_could_not_trust_is_refused(url: str) -> None:
    assert [line.split(" ")[0] for line in _faults({**GOOD, "SETUPLINKS_PUBLIC_URL": url})] == ["SETUPLINKS_PUBLIC_URL"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://links.example.com/", "https://links.example.com"),
        ("https://Links.Example.com", "https://links.example.com"),
        ("https://links.example.com:443", "https://links.example.com"),
        ("HTTPS://links.example.com:8443", "https://links.example.com:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ],
)
def test_the_public_url_is_kept_as_browsers_write_an_origin(given: str, kept: str) -> None:
    assert _load(PUBLIC_URL=given).public_url == kept


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sl_op_from_a_file_0123456789\n")
    environ = {name: value for name, value in GOOD.items() if name != "SETUPLINKS_OPERATOR_KEY"}
    settings = load({**environ, "SETUPLINKS_OPERATOR_KEY_FILE": str(tmp_path / "key")}, NO_FILE)
    assert settings.operator_key.get_secret_value() == "sl_op_from_a_file_0123456789"


def test_only_secrets_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://other.example.com")
    assert _load(PUBLIC_URL_FILE=str(tmp_path / "url")).public_url == "https://links.example.com"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "setuplinks.env"
    file.write_text("# ours\nexport SETUPLINKS_META_APP_ID='from file'\nSETUPLINKS_RATE_STARTS=3\n\nnonsense\n")
    settings = _load(file)
    assert settings.meta_app_id == "1"
    assert settings.rate_starts == 3
    environ = {name: value for name, value in GOOD.items() if name != "SETUPLINKS_META_APP_ID"}
    assert load(environ, file).meta_app_id == "from file"


def test_a_secrets_file_named_by_the_environment_wins_over_the_value_in_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sl_op_mounted_0123456789abcd")
    file = tmp_path / "setuplinks.env"
    file.write_text("SETUPLINKS_OPERATOR_KEY=sl_op_of_the_env_file_012345\n")
    environ = {name: value for name, value in GOOD.items() if name != "SETUPLINKS_OPERATOR_KEY"}
    settings = load({**environ, "SETUPLINKS_OPERATOR_KEY_FILE": str(tmp_path / "key")}, file)
    assert settings.operator_key.get_secret_value() == "sl_op_mounted_0123456789abcd"


def test_an_empty_value_is_the_default() -> None:
    assert _load(DATABASE_URL="", META_GRAPH_URL="").meta_graph_url == "https://graph.facebook.com"


def test_an_empty_value_in_the_environment_takes_back_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "setuplinks.env"
    file.write_text("SETUPLINKS_DATABASE_URL=postgresql://db/links\n")
    assert _load(file).database_url is not None
    assert _load(file, DATABASE_URL="").database_url is None
