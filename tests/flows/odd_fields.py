"""Requests that are sound but for one field: every field of a message, with every odd value of its kind."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.flows.fuzz import COLLECTION

_DEPTH = 3
_NAME = f"collections/{COLLECTION}"
_USUAL = {
    "collection": _NAME,
    "parent": _NAME,
    "name": _NAME,
}
_TEXTS = (
    "\0",
    f"{_NAME}\n",
    f"{_NAME}\0/images/one",
    "collections/" + "x" * 200_000,
    f"{_NAME}/images/../../{COLLECTION}",
    f"{_NAME}/images/%2e%2e",
    f"{_NAME}/images/\u202eeno",  # written from right to left
    f"{_NAME}/images/o\u200bne",  # a space of no width
    f"{_NAME}/images/\uff4fne",  # a wide o
    f"{_NAME}/images/e\u0301",  # an accent of its own
    "operations/\U0001f600",
    "' OR 1=1 --",
    "\ufeff\ufffe\U0010ffff",
)
_NUMBERS: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (-1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_INT64: (-1, 2**63 - 1, -(2**63), 253_402_300_800),
    FieldDescriptor.CPPTYPE_UINT32: (2**32 - 1,),
    FieldDescriptor.CPPTYPE_UINT64: (2**64 - 1,),
    FieldDescriptor.CPPTYPE_FLOAT: (float("nan"), float("inf"), -float("inf"), 1e-45, -3e38),
    FieldDescriptor.CPPTYPE_DOUBLE: (float("nan"), float("inf"), -float("inf"), 5e-324, -1e308),
    FieldDescriptor.CPPTYPE_BOOL: (True,),
    FieldDescriptor.CPPTYPE_ENUM: (99, -1, 2**31 - 1),
}


def requests(kind: Descriptor) -> Iterator[tuple[str, Message]]:
    """The field that is odd, by its path, and the request."""
    for path, odd in _odd(kind, _DEPTH):
        message = GetMessageClass(kind)()
        for name, usual in _USUAL.items():
            field = kind.fields_by_name.get(name)
            if field is not None and field.message_type is None and not field.is_repeated:
                setattr(message, name, usual)
        message.MergeFrom(odd)
        yield path, message


def _odd(kind: Descriptor, depth: int) -> Iterator[tuple[str, Message]]:
    """Messages of which one field is set, and oddly."""
    for field in kind.fields:
        for path, value in _values(field, depth):
            message = GetMessageClass(kind)()
            _put(message, field, value)
            yield f"{field.name}{path}", message


def _values(field: FieldDescriptor, depth: int) -> Iterator[tuple[str, Any]]:
    if field.message_type is not None:
        if depth:
            yield "", GetMessageClass(field.message_type)()
            yield from ((f".{path}", odd) for path, odd in _odd(field.message_type, depth - 1))
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        texts = [text.encode() for text in _TEXTS] if field.type == FieldDescriptor.TYPE_BYTES else _TEXTS
        yield from (("", text) for text in texts)
    else:
        yield from (("", number) for number in _NUMBERS[field.cpp_type])


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if isinstance(value, Message) and field.is_repeated:
        getattr(message, field.name).MergeFrom([value]) if not _is_map(field) else _put_entry(
            message, field, value
        )
    elif isinstance(value, Message):
        getattr(message, field.name).CopyFrom(value)
    elif field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _put_entry(message: Message, field: FieldDescriptor, entry: Any) -> None:
    mapping = getattr(message, field.name)
    if isinstance(entry.value, Message):
        mapping[entry.key].CopyFrom(entry.value)
    else:
        mapping[entry.key] = entry.value
