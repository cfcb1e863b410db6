"""The call of Milvus that every search makes, by pymilvus's messages on a channel of ours.

pymilvus's client looks at each argument, adds its headers in a task for each call, and makes objects of every
hit.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from pymilvus.client.connection_manager import ConnectionConfig
from pymilvus.client.ts_utils import construct_guarantee_ts
from pymilvus.client.types import PlaceholderType
from pymilvus.client.utils import check_status
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from soutu.domain.embedding import Vectors

_METHOD = "/milvus.proto.milvus.MilvusService/Search"
_NOTHING = schema_pb2.FieldData()
# As pymilvus's own channel has them: messages of any size, and a server that went without a word is noticed.
_OPTIONS = {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 1,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A search for the `limit` nearest of each row of `vectors` (n, dimension) where `condition` holds; by
    `parameters` of the index."""

    collection: str
    vectors: Vectors
    condition: str
    limit: int
    parameters: Mapping[str, int]
    fields: Sequence[str]

    def message(self, level: Mapping[str, Any]) -> Any:
        """The SearchRequest, for what is as fresh as Freshness.level says."""
        fresh = dict(level)
        construct_guarantee_ts(self.collection, fresh)
        return milvus_pb2.SearchRequest(
            collection_name=self.collection,
            dsl=self.condition,
            dsl_type=common_pb2.DslType.BoolExprV1,
            placeholder_group=_placeholders(self.vectors),
            nq=len(self.vectors),
            output_fields=self.fields,
            search_params=[
                common_pb2.KeyValuePair(key=key, value=value) for key, value in self._settings().items()
            ],
            **fresh,
        )

    def _settings(self) -> dict[str, str]:
        return {
            "topk": str(self.limit),
            "round_decimal": "-1",
            "ignore_growing": "False",
            "metric_type": "IP",
            "anns_field": "vector",
            "params": json.dumps({**self.parameters, "metric_type": "IP"}),
        }


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found for one vector, best first; of each hit its uid, score and revision, and its vector,
    float32 (n, dimension), where that was asked for."""

    uids: Sequence[int]
    scores: Sequence[float]
    revisions: Sequence[int]
    vectors: NDArray[np.float32]


class QuickSearches:
    """A channel to a Milvus, for searches alone."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel], metadata: Sequence[tuple[str, str]]) -> None:
        """`connect` is called in the loop of the first search."""
        self._connect = connect
        self._metadata = tuple(metadata)
        self._channel: grpc.aio.Channel | None = None
        self._call: Callable[..., Any] | None = None

    @classmethod
    def connected(cls, url: str, *, token: str, database: str, options: Mapping[str, int]) -> Self:
        """Connects when first asked. `token` is as pymilvus takes it, USER:PASSWORD included; options are
        gRPC's."""
        config = ConnectionConfig.from_uri(url, token=token, db_name=database)
        metadata = [("dbname", config.db_name)]
        if config.token:
            metadata.append(("authorization", base64.b64encode(config.token.encode()).decode()))
        given = tuple((_OPTIONS | dict(options)).items())
        if dict(config.handler_kwargs).get("secure"):
            credentials = grpc.ssl_channel_credentials()
            return cls(lambda: grpc.aio.secure_channel(config.address, credentials, given), metadata)
        return cls(lambda: grpc.aio.insecure_channel(config.address, given), metadata)

    async def found(self, asked: Asked, level: Mapping[str, Any]) -> list[Hits]:
        """The hits of each vector; MilvusException, grpc.RpcError."""
        call = self._call or self._connected()
        answer = await call(asked.message(level), metadata=self._metadata)
        check_status(answer.status)
        return list(_hits_of(answer.results))

    async def close(self) -> None:
        """Closes the channel."""
        if self._channel:
            await self._channel.close(None)

    def _connected(self) -> Callable[..., Any]:
        self._channel = self._connect()
        self._call = self._channel.unary_unary(
            _METHOD,
            request_serializer=milvus_pb2.SearchRequest.SerializeToString,
            response_deserializer=milvus_pb2.SearchResults.FromString,
        )
        return self._call


def _placeholders(vectors: Vectors) -> bytes:
    values = [vector.astype("<f4", copy=False).tobytes() for vector in vectors]
    one = common_pb2.PlaceholderValue(tag="$0", type=PlaceholderType.FloatVector, values=values)
    return bytes(common_pb2.PlaceholderGroup(placeholders=[one]).SerializeToString())


def _hits_of(results: Any) -> Iterator[Hits]:
    """Milvus tells the hits of all vectors in one row; where there are none it leaves the fields out."""
    columns = {column.field_name: column for column in results.fields_data}
    uids, scores = results.ids.int_id.data, results.scores
    revisions = columns.get("revision", _NOTHING).scalars.long_data.data
    floats = columns.get("vector", _NOTHING).vectors
    vectors = np.array(floats.float_vector.data, np.float32).reshape(-1, floats.dim or 1)
    first = 0
    for count in results.topks:
        part = slice(first, first + count)
        yield Hits(uids[part], scores[part], revisions[part], vectors[part])
        first += count
