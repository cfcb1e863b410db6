"""Settings in the environment, and in files that it names."""

from pathlib import Path

import pytest

from soutu.settings import SettingsError, described, load_settings, read_settings


def environ(tmp_path: Path, **variables: str) -> dict[str, str]:
    """An environment without anybody's own settings file."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), **variables}


def refusal(given: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ=given)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_value_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:s3cret@redis:6379/0\n")
    given = environ(tmp_path, SOUTU_CACHE_URL_FILE=str(tmp_path / "url"))
    loaded = read_settings(environ=given)
    assert loaded.settings.cache.url == "redis://:s3cret@redis:6379/0"
    assert loaded.sources["cache.url"] == "SOUTU_CACHE_URL_FILE"
    assert "s3cret" not in str(described(loaded))


def test_any_setting_may(tmp_path: Path) -> None:
    for name, text in {"port": "7", "roots": "/a:/b"}.items():
        (tmp_path / name).write_text(text)
    given = {"SOUTU_SERVER_PORT_FILE": "port", "SOUTU_BUILD_ROOTS_FILE": "roots"}
    settings = load_settings(environ=environ(tmp_path, **given))
    assert settings.server.port == 7
    assert settings.build_roots == (Path("/a"), Path("/b"))


def test_a_setting_whose_own_name_ends_so_is_meant_first(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    client = load_settings(environ=environ(tmp_path, SOUTU_CLIENT_KEY_FILE="key")).client
    assert (client.key, client.key_file) == ("", tmp_path / "key")


def test_no_file_is_no_value(tmp_path: Path) -> None:
    assert load_settings(environ=environ(tmp_path, SOUTU_CACHE_URL_FILE="")).cache.url == ""


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    told = refusal(environ(tmp_path, SOUTU_CACHE_URL_FILE="gone"))
    assert told == "gone cannot be read (named by SOUTU_CACHE_URL_FILE): No such file or directory."
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfd")
    told = refusal(environ(tmp_path, SOUTU_CACHE_URL_FILE="bytes"))
    assert told == "bytes is not text in UTF-8 (named by SOUTU_CACHE_URL_FILE)."


def test_a_value_in_a_file_and_one_beside_it_are_one_too_many(tmp_path: Path) -> None:
    told = refusal(environ(tmp_path, SOUTU_CACHE_URL_FILE="x", SOUTU_CACHE_URL="y"))
    assert told == "cache.url is set twice: by SOUTU_CACHE_URL and by SOUTU_CACHE_URL_FILE; unset one."


def test_a_wrong_value_in_a_file_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("x")
    assert "server.port 'x' (set in SOUTU_SERVER_PORT_FILE)" in refusal(
        environ(tmp_path, SOUTU_SERVER_PORT_FILE="port")
    )


def test_a_variable_without_a_setting_is_refused_with_the_nearest(tmp_path: Path) -> None:
    told = refusal(environ(tmp_path, SOUTU_CACHE_URI_FILE="x"))
    assert told.startswith("There is no setting for the environment variable SOUTU_CACHE_URI_FILE.")
