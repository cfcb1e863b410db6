"""The settings: what wins, what is refused, and how a refusal reads."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from soutu.settings import Settings, SettingsError, described, known_keys, load_settings, read_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nobody(tmp_path: Path) -> dict[str, str]:
    """An environment without anybody's own settings file."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def refusal(environ: dict[str, str], config: Path | None = None, override: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ, {override: "info"} if override else None)
    return str(caught.value)


def test_nothing_said_gives_the_defaults(nobody: dict[str, str]) -> None:
    settings = load_settings(environ=nobody)
    assert settings == Settings()
    assert settings.server.port == 50_051
    assert settings.data_dir == Path.home() / ".local/share/soutu"


def test_each_source_overrules_the_one_before(nobody: dict[str, str], tmp_path: Path) -> None:
    file = written(tmp_path / "a.toml", "[server]\nport = 1\nhost = '::1'\ndrain_s = 1.5\n")
    environ = nobody | {"SOUTU_SERVER_PORT": "2", "SOUTU_SERVER_HOST": "localhost"}
    loaded = read_settings(file, environ, {"server.port": 3})
    server = loaded.settings.server
    assert (server.port, server.host, server.drain_s) == (3, "localhost", 1.5)
    assert loaded.file == file
    assert loaded.sources == {
        "server.port": "the command line",
        "server.host": "SOUTU_SERVER_HOST",
        "server.drain_s": str(file),
    }


def test_the_file_is_the_first_of_option_variable_directory_and_home(
    nobody: dict[str, str], tmp_path: Path
) -> None:
    places = {
        "option": tmp_path / "option.toml",
        "variable": tmp_path / "variable.toml",
        "directory": tmp_path / "soutu.toml",
        "home": tmp_path / "config" / "soutu" / "soutu.toml",
    }
    for name, path in places.items():
        written(path, f"default_model = '{name}'")
    named = nobody | {"SOUTU_CONFIG": str(places["variable"])}
    assert load_settings(places["option"], named).default_model == "option"
    assert load_settings(None, named).default_model == "variable"
    assert load_settings(None, nobody).default_model == "directory"
    places["directory"].unlink()
    assert load_settings(None, nobody).default_model == "home"


def test_a_file_that_was_named_must_exist(nobody: dict[str, str]) -> None:
    assert refusal(nobody, Path("gone.toml")) == "There is no settings file gone.toml (named by --config)."
    assert "named by SOUTU_CONFIG" in refusal(nobody | {"SOUTU_CONFIG": "gone.toml"})


def test_the_data_directory_follows_the_desktop_convention(nobody: dict[str, str], tmp_path: Path) -> None:
    loaded = read_settings(environ=nobody | {"XDG_DATA_HOME": str(tmp_path)})
    assert loaded.settings.data_dir == tmp_path / "soutu"
    assert loaded.sources["data_dir"] == "XDG_DATA_HOME"


def test_paths_become_absolute(nobody: dict[str, str], tmp_path: Path) -> None:
    environ = nobody | {"SOUTU_DATA_DIR": "here", "SOUTU_BUILD_ROOTS": "pictures:~/more"}
    settings = load_settings(environ=environ)
    assert settings.data_dir == tmp_path / "here"
    assert settings.build_roots == (tmp_path / "pictures", Path.home() / "more")


def test_an_unknown_key_is_refused_with_the_nearest(nobody: dict[str, str], tmp_path: Path) -> None:
    file = written(tmp_path / "a.toml", "[server]\nprot = 1\n")
    assert refusal(nobody, file) == (
        f"There is no setting server.prot (set in {file}). Did you mean server.port?"
    )
    assert "set in the command line). Did you mean log.level?" in refusal(nobody, override="log.levle")


def test_an_unknown_variable_is_refused_with_the_nearest(nobody: dict[str, str]) -> None:
    assert refusal(nobody | {"SOUTU_DATADIR": "x"}) == (
        "There is no setting for the environment variable SOUTU_DATADIR. Did you mean SOUTU_DATA_DIR?"
    )
    assert refusal(nobody | {"SOUTU_ZZZ": "x"}).endswith("SOUTU_ZZZ.")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SOUTU_SERVER_PORT", "x", "server.port 'x' (set in SOUTU_SERVER_PORT): should be a valid integer"),
        ("SOUTU_SERVER_PORT", "65536", "less than or equal to 65535"),
        ("SOUTU_DECODE_SECONDS", "nan", "decode.seconds 'nan'"),
        ("SOUTU_DECODE_PIXELS", "0", "greater than 0"),
        ("SOUTU_PROFILE", "cloud", "(set in SOUTU_PROFILE): should be 'embedded' or 'cluster'"),
        ("SOUTU_SERVER_REFLECTION", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(
    nobody: dict[str, str], variable: str, value: str, sentence: str
) -> None:
    assert sentence in refusal(nobody | {variable: value})


ADDRESSES = {
    "SOUTU_INFERENCE_URL": (
        ("127.0.0.1:8001", "triton:8001", "[::1]:8001", ""),
        ("http://127.0.0.1:8001", "triton", "triton:99999", "triton:8001/x", " triton:8001"),
        "inference.url {!r} (set in SOUTU_INFERENCE_URL): should be host:port",
    ),
    "SOUTU_CACHE_URL": (
        ("redis://127.0.0.1:6379/0", "rediss://me:secret@redis", "unix:///run/redis.sock", ""),
        (
            "redi://127.0.0.1",
            "127.0.0.1:6379",
            "redis://",
            "redis://host:port",
            "redis://host:70000",
            "redis://h/x",
        ),
        "cache.url (set in SOUTU_CACHE_URL): should be as redis://host:6379/0",
    ),
    "SOUTU_OBJECTS_URL": (
        ("s3://bucket", "s3://bucket/some/prefix", ""),
        ("s3:bucket", "bucket", "https://bucket", "s3:///x"),
        "objects.url {!r} (set in SOUTU_OBJECTS_URL): should be s3://bucket",
    ),
    "SOUTU_OBJECTS_ENDPOINT": (
        ("https://s3.example.org", "http://127.0.0.1:9000", ""),
        ("127.0.0.1:9000", "ftp://host", "http://", "http://host:port"),
        "objects.endpoint {!r} (set in SOUTU_OBJECTS_ENDPOINT): should be as https://host",
    ),
}


@pytest.mark.parametrize("variable", ADDRESSES)
def test_addresses_that_are_none_are_refused_at_the_start(nobody: dict[str, str], variable: str) -> None:
    good, bad, sentence = ADDRESSES[variable]
    for text in good:
        assert read_settings(environ=nobody | {variable: text})
    for text in bad:
        assert sentence.format(text) in refusal(nobody | {variable: text}), text


@pytest.mark.parametrize("text", ["port = = 1", 'a = "\\ud800"', "[server"])
def test_a_file_that_is_not_toml_is_named(nobody: dict[str, str], tmp_path: Path, text: str) -> None:
    assert "a.toml is not valid TOML" in refusal(nobody, written(tmp_path / "a.toml", text))


def test_a_section_that_is_a_value_and_a_value_that_is_a_section_are_refused(
    nobody: dict[str, str], tmp_path: Path
) -> None:
    assert "no setting server " in refusal(nobody, written(tmp_path / "a.toml", "server = 1"))
    assert "no setting profile.name " in refusal(nobody, written(tmp_path / "a.toml", "profile.name = 1"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_listening_to_strangers_must_be_insisted_on(nobody: dict[str, str], host: str) -> None:
    sentence = refusal(nobody | {"SOUTU_SERVER_HOST": host})
    assert sentence.startswith(f"server.host {host!r} (set in SOUTU_SERVER_HOST): is reachable")
    insisted = nobody | {"SOUTU_SERVER_HOST": host, "SOUTU_SERVER_INSECURE_PUBLIC": "true"}
    assert load_settings(environ=insisted).server.host == host


_KEYS = {"SOUTU_ACCESS_KEYS_FILE": "keys.toml"}
_TLS = {"SOUTU_SERVER_TLS_CERTIFICATE": "server.pem", "SOUTU_SERVER_TLS_KEY": "server.key"}
_MUTUAL = _TLS | {"SOUTU_SERVER_TLS_CLIENT_AUTHORITIES": "clients.pem"}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "callers need no key"),
        (_TLS, "callers need no key"),
        ({"SOUTU_SERVER_PLAINTEXT_PUBLIC": "true"}, "callers need no key"),
        (_KEYS, "keys would travel in the clear"),
        (_KEYS | _TLS, ""),
        (_KEYS | {"SOUTU_SERVER_PLAINTEXT_PUBLIC": "true"}, ""),
        ({"SOUTU_ACCESS_KEYS": "x"} | _TLS, ""),
        (_MUTUAL, ""),
        (_KEYS | _MUTUAL, ""),
        ({"SOUTU_SERVER_INSECURE_PUBLIC": "true"}, ""),
    ],
)
def test_strangers_need_a_key_or_a_certificate_and_keys_need_tls(
    nobody: dict[str, str], environ: dict[str, str], sentence: str
) -> None:
    environ = nobody | environ | {"SOUTU_SERVER_HOST": "0.0.0.0"}
    if sentence:
        assert sentence in refusal(environ)
    else:
        assert load_settings(environ=environ).server.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("SOUTU_SERVER_TLS_CERTIFICATE", "needs the other of certificate and key"),
        ("SOUTU_SERVER_TLS_KEY", "needs the other of certificate and key"),
        ("SOUTU_SERVER_TLS_CLIENT_AUTHORITIES", "needs server.tls_certificate"),
        ("SOUTU_CLIENT_CERTIFICATE", "needs the other of certificate and key"),
        ("SOUTU_CLIENT_PRIVATE_KEY", "needs the other of certificate and key"),
    ],
)
def test_half_of_what_tls_needs_is_refused(nobody: dict[str, str], variable: str, sentence: str) -> None:
    told = refusal(nobody | {variable: "a.pem"})
    assert f"(set in {variable}): {sentence}" in told


def test_a_file_that_is_set_to_nothing_is_none(nobody: dict[str, str]) -> None:
    assert load_settings(environ=nobody | {"SOUTU_ACCESS_KEYS_FILE": ""}).access.keys_file is None


def test_keys_are_masked_wherever_settings_are_shown(nobody: dict[str, str]) -> None:
    loaded = read_settings(environ=nobody | {"SOUTU_CLIENT_KEY": "s3cret", "SOUTU_ACCESS_KEYS": "s3cret"})
    rows = {row.key: row.value for row in described(loaded)}
    assert (rows["client.key"], rows["access.keys"]) == ("***", "***")
    assert "s3cret" not in repr(loaded)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "unix:/run/soutu.sock"]
)
def test_listening_to_this_machine_is_fine(nobody: dict[str, str], host: str) -> None:
    assert load_settings(environ=nobody | {"SOUTU_SERVER_HOST": host}).server.host == host


def test_settings_never_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]


def test_what_is_shown_names_every_key_with_its_source(nobody: dict[str, str]) -> None:
    rows = described(read_settings(environ=nobody | {"SOUTU_BUILD_ROOTS": "/a:/b"}))
    assert [row.key for row in rows] == list(known_keys())
    shown = {row.key: (row.value, row.source) for row in rows}
    assert shown["build_roots"] == ("/a:/b", "SOUTU_BUILD_ROOTS")
    assert shown["server.port"] == ("50051", "default")


@pytest.mark.parametrize("url", ["db/soutu", "mysql://me:s3cret@db/soutu", "mysql+aiomysql://me:s3cret@db"])
def test_a_catalogue_that_is_none_is_refused_without_its_password(nobody: dict[str, str], url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ=nobody | {"SOUTU_CATALOG_URL": url})
    assert str(refused.value).startswith("catalog.url (set in SOUTU_CATALOG_URL): must be mysql+aiomysql://")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("mysql+aiomysql://me:s3cret@db/soutu", "mysql+aiomysql://me:***@db/soutu"),
        ("mysql+aiomysql://me:s3cr@t@db/soutu", "mysql+aiomysql://me:***@db/soutu"),
        ("mysql+aiomysql://db/soutu?user=me&passwd=s3cret", "mysql+aiomysql://db/soutu?user=me&passwd=***"),
        ("sqlite+aiosqlite:////a/b.db", "sqlite+aiosqlite:////a/b.db"),
        ("", ""),
    ],
)
def test_passwords_are_masked_wherever_settings_are_shown(
    nobody: dict[str, str], url: str, masked: str
) -> None:
    loaded = read_settings(environ=nobody | {"SOUTU_CATALOG_URL": url})
    rows = {row.key: row.value for row in described(loaded)}
    assert rows["catalog.url"] == masked
    assert "s3cr" not in repr(loaded)


def test_a_cluster_needs_every_part_on_a_server(nobody: dict[str, str]) -> None:
    variables = {
        "SOUTU_PROFILE": "cluster",
        "SOUTU_CATALOG_URL": "mysql+aiomysql://soutu:s3cret@db:3306/soutu",
        "SOUTU_INDEX_URL": "http://milvus:19530",
        "SOUTU_OBJECTS_URL": "s3://soutu",
        "SOUTU_INFERENCE_URL": "triton:8001",
        "SOUTU_CACHE_URL": "redis://redis:6379/0",
    }
    assert load_settings(environ={**nobody, **variables}).profile == "cluster"
    del variables["SOUTU_INDEX_URL"], variables["SOUTU_CACHE_URL"]
    assert "needs index.url, cache.url" in refusal({**nobody, **variables})
