"""A bare grpc.aio server: every call of /bench.Echo/Echo is answered with the same bytes.

    python -m bench.echo REPLY_BYTES

Prints its address, and serves until SIGTERM.
"""

import asyncio
import sys

import grpc
import grpc.aio

from soutu.client.channel import MESSAGE_BYTES


async def serve(reply: bytes) -> None:
    async def echo(_: bytes, __: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        return reply

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_BYTES)])
    methods = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(bytes(int(sys.argv[1]))))
