"""docker-compose.yml: sound, pinned, bounded, and in agreement with the settings and with its own parts."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts import compose_secrets, triton_repository
from scripts.stack.triton import HUGE_PAGES
from soutu.domain.access import Scope, keys_of
from soutu.settings import Settings, known_keys, load_settings
from tests.project.composed import FILES, Service, composed, services, words
from tests.project.source import ROOT

DEPLOY = ROOT / "deploy"
JOBS = ("models", "bucket")
SERVERS = ("soutu", "triton", "milvus", "etcd", "minio", "mysql", "redis", "nginx", "prometheus", "grafana")
ALL = (*JOBS, *SERVERS)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deploy") / "secrets"
    compose_secrets.main([str(directory)])
    return directory


@pytest.fixture(scope="module")
def settings(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What the service of the compose file reads, its secrets in a directory of ours."""
    given = {
        name: value.replace("/run/secrets", str(secrets))
        for name, value in services()["soutu"]["environment"].items()
    }
    nobody = {"XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("nobody"))}
    return load_settings(environ={**nobody, **given})


def exposed(service: str) -> set[str]:
    return set(services()[service]["expose"])


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_compose_itself_accepts_it(files: tuple[str, ...]) -> None:
    assert services(*files).keys() == set(ALL)


def test_every_variable_is_a_setting_and_every_value_is_accepted(settings: Settings) -> None:
    known = {key.variable for key in known_keys().values()}
    given = services()["soutu"]["environment"]
    assert {name.removesuffix("_FILE") for name in given if name not in known} <= known
    assert settings.access.needs_keys
    assert (settings.server.host, settings.server.plaintext_public) == ("0.0.0.0", True)
    assert not settings.server.insecure_public


def test_the_ports_of_the_service_are_those_of_the_settings(settings: Settings) -> None:
    assert exposed("soutu") == {str(settings.server.port), str(settings.server.metrics_port)}
    assert [port["target"] for port in services()["soutu"]["ports"]] == [settings.server.port]
    assert f"set $soutu soutu:{settings.server.port};" in (DEPLOY / "nginx" / "nginx.conf").read_text()
    scraped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert f"port: {settings.server.metrics_port}\n" in scraped


def test_every_address_in_the_settings_is_a_service_on_a_port_that_it_listens_on(settings: Settings) -> None:
    urls = {
        "mysql": settings.catalog.url,
        "redis": settings.cache.url,
        "triton": f"grpc://{settings.inference.url}",
        "minio": settings.objects.endpoint,
        "milvus": services()["soutu"]["environment"]["SOUTU_INDEX_URL"],
    }
    for service, url in urls.items():
        parts = urlsplit(url)
        assert parts.hostname == service
        assert str(parts.port) in exposed(service)
    assert {parts for parts in urls if parts not in services()["soutu"]["depends_on"]} == {"minio"}


@pytest.mark.parametrize(
    ("service", "port"), [("triton", "8001"), ("mysql", "3306"), ("redis", "6379"), ("minio", "9000")]
)
def test_a_server_is_told_the_port_that_it_is_reached_on(service: str, port: str) -> None:
    assert re.search(rf"port[= ]{port}\b|:{port}\b", words(services()[service]))


def test_what_prometheus_asks_is_a_service_on_a_port_of_its_own() -> None:
    scraped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    targets = re.findall(r"targets: \[(\w+):(\d+)\]", scraped)
    assert {service for service, _ in targets} == {"triton", "milvus"}
    assert all(port in exposed(service) for service, port in targets)
    assert "names: [soutu]" in scraped


def test_the_parts_of_milvus_find_each_other() -> None:
    environment = services()["milvus"]["environment"]
    for variable in ("ETCD_ENDPOINTS", "MINIO_ADDRESS"):
        service, port = environment[variable].split(":")
        assert port in exposed(service)


def test_models_run_in_memory_of_huge_pages_as_on_the_local_stack() -> None:
    assert services()["triton"]["environment"].items() >= HUGE_PAGES.items()


def test_the_catalogue_is_as_the_catalogue_wants_it(settings: Settings) -> None:
    command = words(services()["mysql"])
    assert "--character-set-server=utf8mb4 --collation-server=utf8mb4_bin" in command
    assert "--transaction-isolation=READ-COMMITTED" in command
    environment = services()["mysql"]["environment"]
    url = urlsplit(settings.catalog.url)
    assert (url.username, url.path) == (environment["MYSQL_USER"], f"/{environment['MYSQL_DATABASE']}")


def test_the_bucket_of_the_settings_is_made_with_its_user(settings: Settings) -> None:
    script = (DEPLOY / "minio" / "make-bucket.sh").read_text()
    assert f"mc mb --ignore-existing store/{settings.objects.url.removeprefix('s3://')}\n" in script
    assert f"mc admin user add store {settings.objects.access_key} " in script
    assert f"mc alias set store {settings.objects.endpoint} " in script


def test_passwords_are_in_files_only(secrets: Path) -> None:
    for name, service in services().items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|_KEYS?(_|$)", variable) and "ACCESS_KEY" not in variable:
                assert "_FILE" in variable, f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/")
    texts = [path.read_text() for path in secrets.iterdir()]
    assert len(set(texts)) == len(texts)


def test_each_service_gets_the_secrets_that_it_reads_and_no_other() -> None:
    for name, service in services().items():
        given = {secret["source"] for secret in service.get("secrets") or []}
        mounted = [
            Path(volume["source"]).read_text()
            for volume in service.get("volumes") or []
            if Path(volume["source"]).is_file()
        ]
        if name == "bucket":
            mounted.append((DEPLOY / "minio" / "make-bucket.sh").read_text())
        read = " ".join([words(service), *map(str, (service.get("environment") or {}).values()), *mounted])
        assert set(re.findall(r"/run/secrets/(\w+)", read)) == given, name


def test_every_secret_is_made_by_the_script(secrets: Path) -> None:
    made = {path.name for path in secrets.iterdir()}
    assert {Path(secret["file"]).name for secret in composed(FILES[0])["secrets"].values()} | {
        "soutu_key"
    } == made
    assert {Path(secret["file"]).parent for secret in composed(FILES[0])["secrets"].values()} == {
        DEPLOY / "secrets"
    }
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_secrets_are_the_owners_and_made_once(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    before = {path: path.read_text() for path in secrets.iterdir()}
    compose_secrets.main([str(secrets)])
    assert {path: path.read_text() for path in secrets.iterdir()} == before
    (key,) = keys_of((secrets / "access_keys").read_text(), "the file")
    assert key.scope is Scope.ADMIN


@pytest.mark.parametrize("name", ALL)
def test_each_service_is_pinned_bounded_and_watched(name: str) -> None:
    service = services()[name]
    check_pinned(service)
    assert re.fullmatch(r"[1-9]\d*[mg]", service["deploy"]["resources"]["limits"]["memory"])
    if name in JOBS:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


def check_pinned(service: Service) -> None:
    tag = service["image"].rpartition(":")[2]
    assert re.search(r"\d+\.\d+|\d{4}-\d{2}-\d{2}", tag), service["image"]


def test_nothing_starts_before_what_it_needs_works() -> None:
    found = services()
    for name, service in found.items():
        for other, terms in (service.get("depends_on") or {}).items():
            wanted = "service_completed_successfully" if other in JOBS else "service_healthy"
            assert terms["condition"] == wanted, f"{name} needs {other}"


def test_only_this_machine_reaches_what_speaks_in_the_clear() -> None:
    for name, service in services().items():
        for port in service.get("ports") or []:
            assert name == "nginx" or port.get("host_ip") == "127.0.0.1", name


def test_the_service_runs_as_nobody_on_a_root_that_it_cannot_write() -> None:
    service = services()["soutu"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "user" not in service, "the image says it"
    written = {volume["target"] for volume in service["volumes"]}
    assert written == {"/var/lib/soutu"}


def test_the_gpu_is_asked_for_in_the_file_that_is_put_over_it() -> None:
    def devices(found: Mapping[str, Service]) -> object:
        return found["triton"]["deploy"]["resources"].get("reservations", {}).get("devices")

    assert devices(services()) is None
    assert devices(services(*FILES)) == [{"capabilities": ["gpu"], "driver": "nvidia", "count": 1}]


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_the_models_are_written_by_a_command_that_works(files: tuple[str, ...], tmp_path: Path) -> None:
    command = services(*files)["models"]["command"]
    there = {"/models": str(tmp_path / "models"), "/var/lib/soutu/models": str(tmp_path / "added")}
    triton_repository.main([there.get(word, word) for word in command])
    assert (tmp_path / "models" / "gradient-color" / "1" / "model.onnx").exists()
    served = [
        word.partition("=")[2] for word in services(*files)["triton"]["command"] if "repository" in word
    ]
    mounted = {volume["target"] for volume in services(*files)["triton"]["volumes"]}
    assert set(served) == mounted
