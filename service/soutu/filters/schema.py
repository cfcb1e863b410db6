"""The fields that a collection's filters may name."""

from dataclasses import dataclass

from soutu.domain.collection import AttributeType, Collection
from soutu.domain.fields import ATTRIBUTE_PREFIX, SYSTEM_FIELDS
from soutu.domain.filter import Field
from soutu.domain.image import Keeping

# Texts of which there are few: clients write the contract's words for ours.
WORDS = {"keeping": {keeping.name: keeping.value for keeping in Keeping}}


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one collection's images: those of every image, and its own attributes."""

    collection: Collection

    def field(self, name: str) -> Field | None:
        """The field with this name, if there is one."""
        kind = SYSTEM_FIELDS.get(name)
        if name.startswith(ATTRIBUTE_PREFIX):
            kind = self.collection.attributes.get(name.removeprefix(ATTRIBUTE_PREFIX))
        return Field(name, kind) if kind else None

    def unknown(self, name: str) -> str:
        """What to say of a field that is not there."""
        if name.startswith(ATTRIBUTE_PREFIX) or name in self.collection.attributes:
            own = ", ".join(f"{ATTRIBUTE_PREFIX}{each}" for each in sorted(self.collection.attributes)[:20])
            return f"the collection's attributes are {own}" if own else "the collection has no attributes"
        return f"the fields are {', '.join(SYSTEM_FIELDS)} and {ATTRIBUTE_PREFIX}NAME"

    @property
    def image_prefix(self) -> str:
        """What the names of the collection's images have before their ids."""
        return f"collections/{self.collection.id}/images/"


def is_set_of_texts(field: Field) -> bool:
    """Whether the field holds several texts."""
    return field.type is AttributeType.STRINGS
