"""Messages of any type with any values: some that mean something, most that do not."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.flows import pictures

COLLECTION = "fuzzed"
_DEPTH = 4
_NAMES = st.sampled_from(
    [
        f"collections/{COLLECTION}",
        f"collections/{COLLECTION}/images/one",
        f"collections/{COLLECTION}/generations/1",
        "collections/nowhere/images/..",
        "models/gradient-color",
        "models/..",
        "operations/none",
        COLLECTION,
        "one",
        "title",
        "*",
        "\0",
        "",
    ]
)
_TEXTS = _NAMES | st.text(max_size=12) | st.just("x" * 3_000)
_INTEGERS = [0, 1, 2, 5, 100, -1]
_FLOATS = [0.0, 1.0, -1.0, 0.5, float("nan"), float("inf"), -float("inf"), 1e-45, 3e38]
_BYTES = st.sampled_from(
    [b"", pictures.jpeg(1, 40, 30), pictures.jpeg(1, 40, 30)[:300], b"\x00" * 5_056]
) | st.binary(max_size=30)
_VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from([*_INTEGERS, 2**31 - 1, -(2**31)]),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([*_INTEGERS, 2**63 - 1, -(2**63), 253_402_300_800]),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
    FieldDescriptor.CPPTYPE_FLOAT: st.sampled_from(_FLOATS),
    FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from(_FLOATS),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 99, -1]),
}


def messages(kind: Descriptor, depth: int = _DEPTH) -> st.SearchStrategy[Message]:
    """Messages of this type, with a handful of their fields set."""

    @st.composite
    def message(draw: st.DrawFn) -> Message:
        made = GetMessageClass(kind)()
        required = [field for field in kind.fields if field.name in ("collection", "parent", "name", "parts")]
        chosen = draw(st.lists(st.sampled_from(list(kind.fields)), max_size=4)) if kind.fields else []
        for field in [*required, *chosen]:
            if depth > 0 or field.message_type is None:
                _set(draw, made, field, depth)
        return made

    return message()


def _set(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _put(draw, message, field, depth)
    if not field.is_repeated:
        if field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(messages(field.message_type, depth - 1)))
        else:
            setattr(message, field.name, draw(_values(field)))
        return None
    values = messages(field.message_type, depth - 1) if field.message_type is not None else _values(field)
    getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
    return None


def _put(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    assert field.message_type is not None, "a map is a message"
    value = field.message_type.fields_by_name["value"]
    key = draw(st.sampled_from(["year", "nope", "", "\0"]))
    mapping = getattr(message, field.name)
    if value.message_type is not None:
        mapping[key].CopyFrom(draw(messages(value.message_type, depth - 1)))
    else:
        mapping[key] = draw(_values(value))


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _BYTES if field.type == FieldDescriptor.TYPE_BYTES else _TEXTS
    return _VALUES[field.cpp_type]
