"""What the contract has and this server has not yet: said by name, never ignored."""

from collections.abc import Iterator

from google.protobuf.message import Message

from soutu.domain.errors import Reason, SoutuError

FIELDS = frozenset(
    f"soutu.v1.{field}"
    for field in (
        "SearchRequest.grouping",
        "SearchRequest.rerank",
        "SearchRequest.colors",
        "CompareRequest.rerank",
        "DownloadImageRequest.allow_redirect",
        "Collection.local_features_model",
    )
)


def check_implemented(request: Message) -> None:
    """FEATURE_UNIMPLEMENTED, naming the field, if `request` sets one that is in FIELDS."""
    for path, full_name in _set_fields(request, ""):
        if full_name in FIELDS:
            raise SoutuError(
                Reason.FEATURE_UNIMPLEMENTED, f"{path} is not implemented by this server yet.", field=path
            )


def _set_fields(message: Message, prefix: str) -> Iterator[tuple[str, str]]:
    for descriptor, value in message.ListFields():
        path = f"{prefix}{descriptor.name}"
        yield path, descriptor.full_name
        if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
            continue
        if not descriptor.message_type.full_name.startswith("soutu."):
            continue
        items = [value] if isinstance(value, Message) else value
        for index, item in enumerate(items):
            place = path if isinstance(value, Message) else f"{path}[{index}]"
            yield from _set_fields(item, f"{place}.")
