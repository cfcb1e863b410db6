"""From the text of a filter, or of an order, to what it means for a collection."""

import re
from collections.abc import Sequence
from itertools import islice

from lark import Token, Tree

from soutu.domain.collection import Collection
from soutu.domain.errors import invalid_field
from soutu.domain.filter import And, Field, Filter, Or, OrderKey
from soutu.filters.check import meaning_of, negated
from soutu.filters.refused import refused
from soutu.filters.schema import Schema, is_set_of_texts
from soutu.filters.syntax import TERM_LIMIT, parsed, restriction_of

_ORDER_LIMIT = 8
_ORDER_LENGTH = 1_024
_KEY = re.compile(r"\s*(?P<field>[A-Za-z0-9_.]+)(\s+(?P<direction>asc|desc))?\s*")


def parse_filter(text: str, collection: Collection) -> Filter | None:
    """The filter that `text` means for the collection's images; None for a blank one, which accepts all.

    FILTER_INVALID with the column of the mistake; also for more than 128 comparisons.
    """
    if not text.strip():
        return None
    tree = parsed(text)
    found = tree.find_data("restriction")
    excess = list(islice(found, TERM_LIMIT, TERM_LIMIT + 1))
    if excess:
        raise refused(1, f"a filter has at most {TERM_LIMIT} comparisons")
    return _filter(tree, Schema(collection))


def parse_order(text: str, collection: Collection) -> tuple[OrderKey, ...]:
    """The keys of an AIP-132 order, such as `rating desc, create_time`; FIELD_INVALID."""
    if not text.strip():
        return ()
    if len(text) > _ORDER_LENGTH:
        raise invalid_field("order_by", f"must have at most {_ORDER_LENGTH} characters")
    parts = text.split(",")
    if len(parts) > _ORDER_LIMIT:
        raise invalid_field("order_by", f"must have at most {_ORDER_LIMIT} fields")
    keys = tuple(_order_key(part, Schema(collection)) for part in parts)
    if len({key.field for key in keys}) < len(keys):
        raise invalid_field("order_by", "must name a field once")
    return keys


def parse_fields(names: Sequence[str], collection: Collection) -> tuple[Field, ...]:
    """The fields with these names; FIELD_INVALID for one that is not there, or given twice."""
    schema = Schema(collection)
    fields = []
    for index, name in enumerate(names):
        field = schema.field(name)
        if field is None or field in fields:
            why = "is named twice" if field else f"is not a field; {schema.unknown(name)}"
            raise invalid_field(f"fields[{index}]", why)
        fields.append(field)
    return tuple(fields)


def _filter(node: Tree[Token], schema: Schema) -> Filter:
    if node.data == "restriction":
        return meaning_of(restriction_of(node), schema)
    terms = tuple(_filter(child, schema) for child in node.children if isinstance(child, Tree))
    if node.data == "negation":
        return negated(terms[0])
    if len(terms) == 1:
        return terms[0]
    return Or(terms) if node.data == "either" else And(terms)


def _order_key(part: str, schema: Schema) -> OrderKey:
    found = _KEY.fullmatch(part)
    if not found:
        raise invalid_field("order_by", 'must be fields such as "rating desc, create_time"')
    field = schema.field(found["field"])
    if field is None:
        raise invalid_field(
            "order_by", f"there is no field {found['field'][:60]}; {schema.unknown(found['field'])}"
        )
    if is_set_of_texts(field):
        raise invalid_field("order_by", f"{field.name} is a set, which has no order")
    return OrderKey(field, found["direction"] == "desc")
