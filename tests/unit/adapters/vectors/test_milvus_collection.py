"""Writes whose callers gave up."""

import asyncio
import gc
import socket

import numpy as np
import pytest

from soutu.adapters.vectors.milvus_collection import MilvusCollection
from soutu.adapters.vectors.milvus_plan import plan_for
from soutu.adapters.vectors.milvus_server import MilvusAddress, MilvusServer
from soutu.domain.collection import IndexSpec
from soutu.domain.query import Point


async def test_a_write_that_fails_when_its_caller_is_gone_is_no_alarm() -> None:
    alarms: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: alarms.append(context["message"]))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = MilvusAddress(f"http://127.0.0.1:{silent.getsockname()[1]}")
        server = MilvusServer.connected(address, wait_s=0.2)
        collection = MilvusCollection(server, "c", plan_for(2, IndexSpec()))
        point = Point(1, 1, np.array([1, 0], np.float32), {"name": "a"})
        write = asyncio.create_task(collection.write([point], [2]))
        await asyncio.sleep(0.05)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        await asyncio.sleep(0.5)
        await server.close()
    gc.collect()
    assert alarms == []
