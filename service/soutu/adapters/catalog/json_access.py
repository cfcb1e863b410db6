"""Values inside of JSON columns, on every database: the one place that knows how each of them looks there."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Float, Integer, String, Text, column, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement, GenericFunction
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from soutu.adapters.catalog.mysql import no_pad_collation
from soutu.domain.collection import AttributeType


class JsonScalar(FunctionElement[Any]):
    """The value under a key of a JSON object as a text; null where there is none.

    Each kind of value has a class of its own: the cache of compiled statements tells classes apart.
    """

    inherit_cache = True
    type: TypeEngine[Any] = String()

    def __init__(self, source: ColumnElement[Any], path: str) -> None:
        super().__init__(type_coerce(source, Text()), path)


class JsonInteger(JsonScalar):
    """As an integer."""

    inherit_cache = True
    type = BigInteger()


class JsonNumber(JsonScalar):
    """As a double."""

    inherit_cache = True
    type = Float(53)


class JsonBoolean(JsonScalar):
    """As 1 or 0."""

    inherit_cache = True
    type = Integer()


_SCALARS: dict[AttributeType, type[JsonScalar]] = {
    AttributeType.INTEGER: JsonInteger,
    AttributeType.NUMBER: JsonNumber,
    AttributeType.BOOLEAN: JsonBoolean,
}


class JsonItems(GenericFunction[Any]):
    """The items of a JSON array of texts as a table with the column `value`."""

    name = "json_each"
    inherit_cache = True


def json_scalar(source: ColumnElement[Any], key: str, kind: AttributeType) -> ColumnElement[Any]:
    """The value of this kind under `key`; a set comes as the text of its array, a time as a text that
    compares as the moment does (columns.to_json)."""
    path = f'$."{key}"."$time"' if kind is AttributeType.TIMESTAMP else f'$."{key}"'
    return _SCALARS.get(kind, JsonScalar)(source, path)


def json_items(source: ColumnElement[Any]) -> TableValuedAlias:
    """The texts of the array in `source` as rows of a table, in the column `value`; none where it is null."""
    items = JsonItems(type_coerce(source, Text()))
    return items.table_valued(column("value", String()), joins_implicitly=True)


def bound(value: object) -> object:
    """A value of a filter as the databases' JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return int(value) if isinstance(value, bool) else value


@compiles(JsonScalar)
def _scalar(element: JsonScalar, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **options)})"


@compiles(JsonScalar, "mysql")
@compiles(JsonScalar, "mariadb")
def _mysql_text(element: JsonScalar, compiler: SQLCompiler, **options: Any) -> str:
    text = _mysql_unquoted(element, compiler, **options)
    return f"CONVERT({text} USING utf8mb4) COLLATE {no_pad_collation(compiler.dialect)}"


@compiles(JsonInteger, "mysql")
@compiles(JsonInteger, "mariadb")
def _mysql_integer(element: JsonInteger, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({_mysql_unquoted(element, compiler, **options)} AS SIGNED)"


@compiles(JsonNumber, "mysql")
@compiles(JsonNumber, "mariadb")
def _mysql_number(element: JsonNumber, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({_mysql_unquoted(element, compiler, **options)} AS DOUBLE)"


@compiles(JsonBoolean, "mysql")
@compiles(JsonBoolean, "mariadb")
def _mysql_boolean(element: JsonBoolean, compiler: SQLCompiler, **options: Any) -> str:
    return f"({_mysql_unquoted(element, compiler, **options)} = 'true')"


def _mysql_unquoted(element: JsonScalar, compiler: SQLCompiler, **options: Any) -> str:
    return f"JSON_UNQUOTE(JSON_EXTRACT({compiler.process(element.clauses, **options)}))"


@compiles(JsonItems, "mysql")
@compiles(JsonItems, "mariadb")
def _mysql_items(element: JsonItems, compiler: SQLCompiler, **options: Any) -> str:
    source = compiler.process(element.clauses, **options)
    collation = no_pad_collation(compiler.dialect)
    return f"JSON_TABLE({source}, '$[*]' COLUMNS (value LONGTEXT COLLATE {collation} PATH '$'))"
