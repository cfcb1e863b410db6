"""Attributes as people write them: NAME=TYPE."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from soutu.cli.failures import CommandError, ExitCode

if TYPE_CHECKING:
    from soutu.v1.attribute_pb2 import Attribute


def attributes_of(texts: Sequence[str]) -> "Mapping[str, Attribute]":
    """The attributes by name; raises CommandError for a text that is none."""
    from soutu.v1.attribute_pb2 import Attribute, AttributeType

    attributes = {}
    for text in texts:
        name, _, kind = text.partition("=")
        wanted = f"ATTRIBUTE_TYPE_{kind.upper()}"
        if not name or wanted not in AttributeType.DESCRIPTOR.values_by_name or kind == "unspecified":
            raise CommandError(
                f"{text!r} is no attribute; write NAME=TYPE, such as year=integer.", ExitCode.USAGE
            )
        attributes[name] = Attribute(type=AttributeType.Value(wanted))
    return attributes
