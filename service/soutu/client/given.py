"""What programs give is looked at before it is sent: what is of a wrong type is told in a sentence."""

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

T = TypeVar("T")
M = TypeVar("M", bound=Message)

_WANTED = {
    FieldDescriptor.CPPTYPE_STRING: "a str",
    FieldDescriptor.CPPTYPE_BOOL: "a bool",
    FieldDescriptor.CPPTYPE_ENUM: "a value of its enum",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    **dict.fromkeys(
        (
            FieldDescriptor.CPPTYPE_INT32,
            FieldDescriptor.CPPTYPE_INT64,
            FieldDescriptor.CPPTYPE_UINT32,
            FieldDescriptor.CPPTYPE_UINT64,
        ),
        "an int",
    ),
}


def made(kind: type[M], **fields: Any) -> M:
    """The message with these fields. TypeError or ValueError names the first that is none of its fields, is
    of another type, or out of its range."""
    described = kind.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        if name not in described:
            raise TypeError(f"{kind.__name__} has no field {name!r}; it has {', '.join(_names(kind))}")
        if isinstance(value, str | bytes) and described[name].is_repeated:  # protobuf would take it apart
            raise TypeError(f"{name} must be {_wanted(described[name])}, not {_shown(value)}")
    try:
        return kind(**fields)
    except (TypeError, ValueError, AttributeError):
        for name, value in fields.items():
            _check(kind, described[name], value)
        raise


def checked(value: object, kinds: type[T] | tuple[type[T], ...], name: str, wanted: str) -> T:
    """The value, if it is of one of these types; TypeError with what is wanted where it is not."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {wanted}, not {_shown(value)}")
    return value


def checked_texts(values: object, name: str) -> list[str]:
    """Several texts, as a list; TypeError for one text alone, and for what is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of str, not {_shown(values)}")
    return [checked(value, str, f"each of {name}", "a str") for value in values]


def _names(kind: type[Message]) -> list[str]:
    return [field.name for field in kind.DESCRIPTOR.fields]


# A field's descriptor is one of two classes, as protobuf runs in C or in Python: `field` is either.
def _check(kind: type[Message], field: Any, value: object) -> None:
    try:
        kind(**{field.name: value})
    except ValueError as error:
        raise ValueError(f"{field.name} is out of range, or no value of its field: {value!r:.80}") from error
    except (TypeError, AttributeError) as error:
        raise TypeError(f"{field.name} must be {_wanted(field)}, not {_shown(value)}") from error


def _wanted(field: Any) -> str:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        entry = kind.fields_by_name["value"]
        return f"a dict of {_single(entry).removeprefix('a ')} by str"
    return f"a list of {_single(field).removeprefix('a ')}" if field.is_repeated else _single(field)


def _single(field: Any) -> str:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    if field.message_type is not None:
        return f"a {field.message_type.name}"
    return _WANTED[field.cpp_type]


def _shown(value: object) -> str:
    """What it is instead; of a list also what is in it, as its items are what is wrong."""
    name = "None" if value is None else type(value).__name__
    if isinstance(value, list | tuple) and value:
        return f"a {name} of {type(value[0]).__name__}"
    return name
