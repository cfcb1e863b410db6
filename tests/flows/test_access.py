"""Who may do what: every method by every kind of caller, keys that come and go, what is logged of them."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from soutu.client import Client
from soutu.domain.access import Scope, new_key
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.keyring import Keyring
from tests.flows.methods import METHODS, path_of
from tests.flows.refusals import refused
from tests.flows.served import Served, until

_READING = ("Get", "List", "Count", "Facet", "Download", "Estimate", "Wait", "Check", "Watch", "ServerRef")
_ASKING = ("Search", "BatchSearch", "Compare", "Embed")
_UNKNOWN, _ = new_key("unknown", Scope.ADMIN)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A server that wants keys for everything, and the keys."""

    server: Served
    ring: Keyring
    channel: grpc.Channel

    def answer(self, method: MethodDescriptor, headers: list[str], request: bytes = b"") -> tuple[str, ...]:
        """What the server says to the method: status, reason and the scope that is missing."""
        metadata = [("authorization", header) for header in headers]
        kind = "stream" if method.client_streaming else "unary"
        make = getattr(self.channel, f"{kind}_{'stream' if method.server_streaming else 'unary'}")
        call = make(path_of(method), None, None)
        given = iter([request]) if method.client_streaming else request
        try:
            answer = call(given, metadata=metadata, timeout=20)
            if method.server_streaming:
                next(iter(answer), None)
                answer.cancel()
        except grpc.RpcError as error:
            return _told(error)
        return ("OK", "", "")


def _told(error: grpc.RpcError) -> tuple[str, ...]:
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()  # type: ignore[arg-type]
    if status is None or not any(detail.Unpack(info) for detail in status.details):
        return (error.code().name, "", "")
    return (error.code().name, info.reason, info.metadata.get("scope", ""))


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    directory = tmp_path_factory.mktemp("keyed")
    ring = Keyring(directory)
    settings = {"SOUTU_ACCESS_KEYS_FILE": str(ring.file), "SOUTU_ACCESS_OPEN_HEALTH": "false"}
    options = [("grpc.enable_retries", 0), ("grpc.max_send_message_length", -1)]
    with (
        Served(directory, settings=settings) as server,
        grpc.insecure_channel(server.address, options) as channel,
    ):
        yield Keyed(server, ring, channel)


def needed_scope(method: MethodDescriptor) -> Scope:
    """What a method ought to need, by its name: said here a second time, so that the table is not its own
    judge."""
    if method.name in _ASKING or method.name.startswith(_READING):
        return Scope.READ
    keeps = method.containing_service.name == "AdminService" or method.name in ("LoadModel", "UnloadModel")
    return Scope.ADMIN if keeps else Scope.WRITE


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_by_every_kind_of_caller(keyed: Keyed, method: MethodDescriptor) -> None:
    expired = f"Bearer {keyed.ring.secrets['the-expired-key']}"
    strangers: list[tuple[list[str], str]] = [
        ([], "UNAUTHENTICATED"),
        (["Basic bWU6aXQ="], "KEY_MALFORMED"),
        ([expired, expired], "KEY_MALFORMED"),
        ([f"Bearer {_UNKNOWN}"], "KEY_UNKNOWN"),
        ([expired], "KEY_EXPIRED"),
    ]
    for headers, reason in strangers:
        assert keyed.answer(method, headers) == ("UNAUTHENTICATED", reason, "")
    needed = needed_scope(method)
    for scope in Scope:
        status, *told = keyed.answer(method, [f"Bearer {keyed.ring.secret(scope)}"])
        if scope < needed:
            assert (status, *told) == ("PERMISSION_DENIED", "SCOPE_MISSING", needed.text)
        else:
            refused = (
                told[0] == "BACKUP_UNSUPPORTED"
            )  # whoever asks, where a database server has the catalogue
            assert refused or status in ("OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"), told


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_a_stranger_is_refused_before_the_request_is_read(keyed: Keyed, method: MethodDescriptor) -> None:
    assert keyed.answer(method, [], b"\xff" * 20) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "")


def test_not_even_too_large_a_request_of_a_stranger_is_read(keyed: Keyed) -> None:
    (upload,) = [method for method in METHODS if method.name == "UploadImage"]
    huge = b"x" * (65 * 1024 * 1024)
    assert keyed.answer(upload, [], huge) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "")
    allowed = [f"Bearer {keyed.ring.secret(Scope.WRITE)}"]
    assert keyed.answer(upload, allowed, huge)[0] == "RESOURCE_EXHAUSTED"


def test_a_stream_of_a_stranger_is_not_waited_for(keyed: Keyed) -> None:
    go_on = threading.Event()

    def never_ending() -> Iterator[bytes]:
        go_on.wait(30)
        yield b""

    call = keyed.channel.stream_unary("/soutu.v1.ImageService/StreamUploadImage", None, None)
    with pytest.raises(grpc.RpcError) as caught:
        call(never_ending(), timeout=20)
    go_on.set()
    assert _told(caught.value) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "")


def test_our_client_shows_its_key(keyed: Keyed) -> None:
    with Client(keyed.server.address, key=keyed.ring.secret(Scope.WRITE)) as client:
        client.collections.create("mine")
        client.images.upload("mine", pictures.jpeg(1), image_id="one")
        assert client.serving()
    with Client(keyed.server.address, key=keyed.ring.secret(Scope.READ)) as client:
        assert client.images.get("one", collection="mine").name.endswith("/one")
        with refused("SCOPE_MISSING"):
            client.images.delete("one", collection="mine")


def test_keys_come_and_go_while_the_server_runs(keyed: Keyed) -> None:
    (get_limits,) = [method for method in METHODS if method.name == "GetLimits"]
    secret = keyed.ring.add("new-one", Scope.READ)

    def heard() -> bool:
        return keyed.answer(get_limits, [f"Bearer {secret}"])[0] == "OK"

    assert until(heard)
    good = keyed.ring.file.read_text()
    keyed.ring.file.write_text(good[: len(good) // 2] + "\n= nonsense")
    assert until(lambda: "the last good keys stay in force" in keyed.server.log())
    assert heard()
    keyed.ring.file.unlink()
    assert until(lambda: "keys.toml cannot be read" in keyed.server.log())
    assert heard()
    keyed.ring.remove("new-one")
    assert until(lambda: not heard())
    assert keyed.answer(get_limits, [f"Bearer {secret}"])[1] == "KEY_UNKNOWN"
    assert keyed.answer(get_limits, [f"Bearer {keyed.ring.secret(Scope.READ)}"])[0] == "OK"


def test_the_log_has_the_labels_and_never_a_key(keyed: Keyed) -> None:
    with Client(keyed.server.address, key=keyed.ring.secret(Scope.WRITE)) as client, refused("SCOPE_MISSING"):
        client.admin.purge("mine", ["one"])
    with (
        Client(keyed.server.address, key=keyed.ring.secret(Scope.READ)) as client,
        refused("IMAGE_NOT_FOUND"),
    ):
        client.images.get("nobody", collection="mine")
    text = keyed.server.log_file.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    callers = {line.get("reason"): line.get("caller") for line in lines}
    assert (callers["IMAGE_NOT_FOUND"], callers["SCOPE_MISSING"]) == ("the-read-key", "the-write-key")
    assert not [secret for secret in (*keyed.ring.secrets.values(), _UNKNOWN) if secret in text]
    assert not [secret for secret in keyed.ring.secrets.values() if secret[-20:] in text]


def test_the_command_line_shows_its_key(keyed: Keyed) -> None:
    data_dir, key_file = str(keyed.server.data_dir), keyed.ring.file.parent / "read.key"
    key_file.write_text(f"{keyed.ring.secret(Scope.READ)}\n")
    assert "gradient-color" in soutu("--data-dir", data_dir, "--key-file", str(key_file), "models", "list")
    key, address = keyed.ring.secret(Scope.READ), keyed.server.address
    assert "gradient-color" in soutu(
        "--address", address, "models", "list", variables={"SOUTU_CLIENT_KEY": key}
    )
    assert "--key-file" in soutu("--data-dir", data_dir, "models", "list", ok=False)
    told = soutu("--data-dir", data_dir, "--key-file", str(key_file), "collections", "create", "x", ok=False)
    assert "needs a key with the scope write" in told


def test_health_is_open_unless_it_is_closed_and_reflection_closed_unless_it_is_opened(
    keyed: Keyed, lone_keyed: Served
) -> None:
    by_name = {method.name: method for method in METHODS}
    with grpc.insecure_channel(lone_keyed.address) as channel:
        open_server = Keyed(lone_keyed, keyed.ring, channel)
        assert open_server.answer(by_name["Check"], [])[0] == "OK"
        assert open_server.answer(by_name["Watch"], [])[0] == "OK"
        assert open_server.answer(by_name["ServerReflectionInfo"], [])[0] == "OK"
        assert open_server.answer(by_name["GetLimits"], [])[1] == "UNAUTHENTICATED"


@pytest.fixture
def lone_keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one key from the environment, whose description is open."""
    _, key = new_key("only", Scope.ADMIN)
    settings = {"SOUTU_ACCESS_KEYS": key.line(), "SOUTU_ACCESS_OPEN_REFLECTION": "true"}
    with Served(tmp_path_factory.mktemp("lone"), settings=settings) as server:
        yield server
