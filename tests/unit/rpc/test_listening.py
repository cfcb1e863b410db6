import socket

import pytest

from soutu.rpc.listening import check_free


def is_taken(address: str) -> bool:
    try:
        check_free(address)
    except OSError:
        return True
    return False


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="is something else listening there"):
            check_free(f"127.0.0.1:{port}")
        with pytest.raises(OSError, match=f"0.0.0.0:{port}"):
            check_free(f"0.0.0.0:{port}")
    assert not is_taken(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "[::1]:0", "nowhere.invalid:1", "127.0.0.1:x", "192.0.2.1:1"]
)
def test_what_else_is_wrong_is_left_to_grpc(address: str) -> None:
    assert not is_taken(address)
