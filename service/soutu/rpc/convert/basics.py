"""Small conversions that several messages share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar, cast

from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from soutu.domain.errors import Reason, SoutuError, invalid_field

M = TypeVar("M", bound=Message)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """The message for an aware moment."""
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    fill_timestamp(message, moment)
    return message


def fill_timestamp(message: timestamp_pb2.Timestamp, moment: datetime) -> None:
    """Writes an aware moment into a message: FromDatetime does the same in five times as long."""
    since = moment - _EPOCH
    message.seconds = 86_400 * since.days + since.seconds
    message.nanos = 1_000 * since.microseconds


def moment(message: timestamp_pb2.Timestamp, field: str) -> datetime:
    """The moment in UTC; FIELD_INVALID outside the years 1 to 9999."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid_field(field, "must be a time in the years 1 to 9999") from error


def duration(seconds: float) -> duration_pb2.Duration:
    """The message for a time span that is not negative."""
    whole, nanos = divmod(round(seconds * 1e9), 10**9)
    return duration_pb2.Duration(seconds=whole, nanos=nanos)


def page_size(asked: int, default: int, limit: int) -> int:
    """AIP-158: 0 is the default, too large is coerced, negative is FIELD_INVALID."""
    if asked < 0:
        raise invalid_field("page_size", "must not be negative")
    return min(asked or default, limit)


def checked_text(text: str, field: str, limit: int) -> str:
    """`text` if it has at most `limit` characters and no NUL, else FIELD_INVALID."""
    if len(text) > limit:
        raise invalid_field(field, f"must have at most {limit} characters")
    if "\0" in text:
        raise invalid_field(field, "must not contain NUL characters")
    return text


def checked_mask(mask: field_mask_pb2.FieldMask, kind: Message, field: str) -> list[str]:
    """The paths of a mask over `kind`, [] for all; FIELD_INVALID naming a path that does not exist."""
    paths = list(mask.paths)
    if "*" in paths:
        return []
    for path in paths:
        mask_of_one = field_mask_pb2.FieldMask(paths=[path])
        if not mask_of_one.IsValidForDescriptor(cast(Descriptor, kind.DESCRIPTOR)):
            raise invalid_field(field, f"{path!r} is not a field of {kind.DESCRIPTOR.name}")
    return paths


def masked(message: M, paths: list[str]) -> M:
    """A copy of the message with only these fields; the message itself for no paths."""
    if not paths:
        return message
    copy = type(message)()
    field_mask_pb2.FieldMask(paths=paths).MergeMessage(message, copy)
    return copy


def with_field_prefix(error: SoutuError, prefix: str) -> SoutuError:
    """The error, with `prefix` before the field it names."""
    metadata: Mapping[str, str] = {
        **error.metadata,
        "field": f"{prefix}{error.metadata.get('field', '')}".rstrip("."),
    }
    return SoutuError(error.reason, error.message, **metadata)


def one_of(reason: Reason, field: str, names: str) -> SoutuError:
    """The error for a oneof that is not set."""
    return SoutuError(reason, f"{field}: one of {names} must be set", field=field)
