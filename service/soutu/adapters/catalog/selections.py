"""Reads of images by what they are like: filtered, ordered, counted, spread over values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, or_, select

from soutu.adapters.catalog.filtering import (
    bound_value,
    column_of,
    condition,
    is_set,
    needs_contents,
    order_columns,
)
from soutu.adapters.catalog.images import OWN
from soutu.adapters.catalog.json_access import json_items
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import image_of, select_images
from soutu.adapters.catalog.tables import contents, images
from soutu.domain.collection import AttributeType
from soutu.domain.filter import Field, Filter, Listing, OrderKey, Value
from soutu.domain.image import Image

_BY_ID = OrderKey(Field("name", AttributeType.STRING))


class SqlSelections(CatalogPart):
    """Keeps the selecting part of the Catalog port; each is one statement."""

    async def find_images(
        self, collection_uid: int, listing: Listing, after: Sequence[object], limit: int
    ) -> Sequence[Image]:
        """Up to `limit` images of the listing, in its order, behind the keys and the id in `after`."""
        keys = (*listing.order, _BY_ID)
        statement = select_images().where(OWN).order_by(*map(_ordered, keys)).limit(bindparam("at_most"))
        if listing.filter is not None:
            statement = statement.where(condition(listing.filter))
        if after:
            statement = statement.where(_behind(keys, after))
        rows = await self._database.rows(statement, {"collection": collection_uid, "at_most": limit})
        return [image_of(row) for row in rows]

    async def find_uids(self, collection_uid: int, filter_: Filter, limit: int) -> Sequence[int]:
        """The uids of up to `limit` images that satisfy the filter."""
        statement = _filtered(select(images.c.uid), filter_).limit(limit)
        return [row[0] for row in await self._database.rows(statement, {"collection": collection_uid})]

    async def count_images(self, collection_uid: int, filter_: Filter) -> int:
        """How many images satisfy the filter."""
        statement = _filtered(select(func.count(images.c.uid)), filter_)
        ((count,),) = await self._database.rows(statement, {"collection": collection_uid})
        return int(count)

    async def facet(
        self, collection_uid: int, filter_: Filter | None, field: Field, limit: int
    ) -> Sequence[tuple[Value, int]]:
        """Up to `limit` values of the field with their counts, most frequent first, then by value."""
        several = field.type is AttributeType.STRINGS
        value = json_items(column_of(field)).c.value if several else column_of(field)
        value, count = value.label("value"), func.count(images.c.uid).label("images")
        statement = (
            _filtered(select(value, count), filter_, field)
            .where(is_set(field))
            .group_by(value)
            .order_by(count.desc(), value)
            .limit(limit)
        )
        rows = await self._database.rows(statement, {"collection": collection_uid})
        return [(_value(field, row[0]), int(row[1])) for row in rows]


def _filtered(statement: Select[Any], filter_: Filter | None, field: Field | None = None) -> Select[Any]:
    """The statement over the collection's images that satisfy the filter."""
    statement = statement.select_from(images).where(OWN)
    if needs_contents(filter_) or needs_contents(field):
        statement = statement.where(contents.c.sha256 == images.c.sha256)
    return statement if filter_ is None else statement.where(condition(filter_))


def _ordered(key: OrderKey) -> ColumnElement[Any]:
    column = order_columns(key)
    return column.desc() if key.descending else column.asc()


def _behind(keys: Sequence[OrderKey], after: Sequence[object]) -> ColumnElement[bool]:
    """Rows that come behind those values in the order of the keys: the first key that differs decides."""
    choices: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(keys, after, strict=True):
        column, bound = order_columns(key), _bound(key, value)
        choices.append(and_(*same, _further(key, column, bound)))
        same.append(column.is_(None) if bound is None else column == bound)
    return or_(*choices)


def _further(key: OrderKey, column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    """Whether the column is behind the value: null comes first of all, or last where the key descends."""
    if value is None:
        return false() if key.descending else column.is_not(None)
    if key.descending:
        return or_(column < value, column.is_(None))
    return column > value


def _bound(key: OrderKey, value: object) -> object:
    if value is None and key.field.type is AttributeType.STRING:
        return ""
    return bound_value(key.field, value)


def _value(field: Field, value: Any) -> Value:
    """A value as the catalogue's JSON or columns have it, as the domain has it."""
    match field.type:
        case AttributeType.BOOLEAN:
            return bool(value)
        case AttributeType.TIMESTAMP:
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    result: Value = value
    return result
