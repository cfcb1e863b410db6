"""Which fields of images an index keeps beside its vectors so that searches can be filtered, and their keys.

Not kept are texts of which nearly every image has one of its own, and labels, which change for all images at
once: the catalogue finds those (narrows()).
"""

from collections.abc import Mapping

from soutu.domain.collection import AttributeType
from soutu.domain.fields import ATTRIBUTE_PREFIX, SYSTEM_FIELDS

_LEFT_OUT = {"name", "title", "source_uri", "content.sha256", "origin.path", "labels"}
KEPT_SYSTEM: Mapping[str, AttributeType] = {
    name: kind for name, kind in SYSTEM_FIELDS.items() if name not in _LEFT_OUT
}


def is_kept(name: str) -> bool:
    """Whether points carry the field of this name."""
    return name in KEPT_SYSTEM or name.startswith(ATTRIBUTE_PREFIX)


def key_of(name: str) -> str:
    """The field's key, which knows no dots: attributes begin with `a_`, and no other does."""
    if name.startswith(ATTRIBUTE_PREFIX):
        return f"a_{name.removeprefix(ATTRIBUTE_PREFIX)}"
    return name.replace(".", "_")
