"""Long work: progress, waiting, how it ends."""

import pytest
from google.longrunning.operations_pb2 import Operation
from google.rpc import code_pb2

from soutu.client import Client, OperationHandle, SoutuCallError
from soutu.v1.collection_service_pb2 import BuildCollectionResponse, OperationMetadata
from tests.unit.client.fake_server import Script, failure


def operation(done: int, total: int = 2) -> Operation:
    message = Operation(name="operations/7", done=done == total)
    message.metadata.Pack(OperationMetadata(done=done, total=total))
    if message.done:
        message.response.Pack(BuildCollectionResponse(added=done))
    return message


def handle(client: Client) -> OperationHandle[BuildCollectionResponse]:
    return client.operations.handle(operation(0), BuildCollectionResponse)


def test_progress_ends_with_the_operation(client: Client, script: Script) -> None:
    script.operations = [operation(1), operation(2)]
    followed = handle(client)
    assert [each.done for each in followed.progress(interval_s=0)] == [0, 1, 2]
    assert followed.wait().added == 2


def test_waiting_asks_until_it_is_done(client: Client, script: Script) -> None:
    script.operations = [operation(1), operation(1), operation(2)]
    assert handle(client).wait(timeout_s=60).added == 2
    assert script.methods == ["WaitOperation"] * 3


def test_waiting_ends_when_asked_to(client: Client, script: Script) -> None:
    script.delay_s = 0.05
    script.operations = [operation(1)]
    with pytest.raises(SoutuCallError, match="not done after"):
        handle(client).wait(timeout_s=0.1)


def test_a_failed_operation_raises_its_error(client: Client, script: Script) -> None:
    ended = Operation(name="operations/7", done=True)
    ended.error.CopyFrom(failure(code_pb2.CANCELLED, "Stopped.", "OPERATION_CANCELLED"))
    script.operations = [ended]
    with pytest.raises(SoutuCallError) as caught:
        handle(client).wait()
    assert caught.value.reason == "OPERATION_CANCELLED"
