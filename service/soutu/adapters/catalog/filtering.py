"""Filters as SQL: every leaf is true or false, never null, so that NOT means what it says."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select

from soutu.adapters.catalog.json_access import bound, json_items, json_scalar
from soutu.adapters.catalog.tables import contents, images
from soutu.domain.collection import AttributeType
from soutu.domain.fields import ATTRIBUTE_PREFIX
from soutu.domain.filter import (
    And,
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Leaf,
    Not,
    Or,
    OrderKey,
    Place,
    Present,
    leaves,
)

_DIRECTIONS: Mapping[Direction, Callable[[Any, Any], Any]] = {
    Direction.LESS: operator.lt,
    Direction.AT_MOST: operator.le,
    Direction.MORE: operator.gt,
    Direction.AT_LEAST: operator.ge,
}
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": images.c.id,
    "title": images.c.title,
    "tags": images.c.tags,
    "category": images.c.category,
    "rating": images.c.rating,
    "source_uri": images.c.source_uri,
    "create_time": images.c.create_time,
    "update_time": images.c.update_time,
    "content.sha256": images.c.sha256,
    "content.size_bytes": contents.c.size_bytes,
    "content.width": contents.c.width,
    "content.height": contents.c.height,
    "content.media_type": contents.c.media_type,
    "exif.camera": contents.c.exif_camera,
    "exif.lens": contents.c.exif_lens,
    "exif.capture_time": contents.c.exif_captured_at,
    "keeping": images.c.keeping,
    "origin.source": images.c.origin_source,
    "origin.path": images.c.origin_path,
    "labels": images.c.labels,
}
_NEVER_NULL = {name for name, column in _COLUMNS.items() if not getattr(column, "nullable", True)}


def condition(filter_: Filter) -> ColumnElement[bool]:
    """The filter over rows of `images`, joined with `contents` where `needs_contents` says so."""
    match filter_:
        case And(terms):
            return and_(*map(condition, terms))
        case Or(terms):
            return or_(*map(condition, terms))
        case Not(term):
            return not_(condition(term))
        case _:
            return _leaf(filter_)


def needs_contents(fields: Filter | Field | None) -> bool:
    """Whether a filter or field looks at columns of `contents`."""
    if fields is None:
        return False
    named = [fields] if isinstance(fields, Field) else [leaf.field for leaf in leaves(fields)]
    return any(getattr(_COLUMNS.get(field.name), "table", None) is contents for field in named)


def column_of(field: Field) -> ColumnElement[Any]:
    """Where the field's value is: null, or an empty text, or an empty array, where it is not set."""
    if field.name in _COLUMNS:
        return _COLUMNS[field.name]
    return json_scalar(images.c.attributes, field.name.removeprefix(ATTRIBUTE_PREFIX), field.type)


def is_set(field: Field) -> ColumnElement[bool]:
    """Whether the field is set."""
    column = column_of(field)
    match field.type:
        case AttributeType.STRINGS:
            items = json_items(column)
            return exists(select(1).select_from(items))
        case AttributeType.STRING:
            return func.coalesce(column, "") != ""
        case _:
            return column.is_not(None)


def bound_value(field: Field, value: object) -> object:
    """The value as it is compared with the field's column."""
    return value if field.name in _COLUMNS else bound(value)


def order_columns(key: OrderKey) -> ColumnElement[Any]:
    """The column that a key orders by; what is not set comes first, or last where the key descends."""
    column = column_of(key.field)
    if key.field.type is AttributeType.STRING and key.field.name not in _NEVER_NULL:
        column = func.coalesce(column, "")
    return column


def _leaf(leaf: Leaf) -> ColumnElement[bool]:
    field = leaf.field
    if isinstance(leaf, Present):
        return is_set(field)
    if field.type is AttributeType.STRINGS:
        items = json_items(column_of(field))
        return exists(select(1).select_from(items).where(_compared(leaf, items.c.value)))
    column = column_of(field)
    compared = _compared(leaf, column)
    if field.name in _NEVER_NULL and field.type is not AttributeType.STRING:
        return compared
    if field.name in _NEVER_NULL:
        return compared if not isinstance(leaf, Compares) else and_(column != "", compared)
    return and_(is_set(field), compared)


def _compared(leaf: Leaf, column: ColumnElement[Any]) -> ColumnElement[bool]:
    match leaf:
        case Equals(field, value):
            return column == bound_value(field, value)
        case Compares(field, direction, value):
            compared: ColumnElement[bool] = _DIRECTIONS[direction](column, bound_value(field, value))
            return compared
        case Contains(_, Place.START, text):
            return func.substr(column, 1, len(text)) == text
        case Contains(_, Place.END, text):
            return func.substr(column, -len(text)) == text
        case Contains(_, _, text):
            return func.instr(column, text) > 0
    raise AssertionError(leaf)
