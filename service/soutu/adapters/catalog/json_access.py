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

from soutu.domain.collection import AttributeType

_TYPES: dict[AttributeType, TypeEngine[Any]] = {
    AttributeType.STRING: String(),
    AttributeType.INTEGER: BigInteger(),
    AttributeType.NUMBER: Float(53),
    AttributeType.BOOLEAN: Integer(),
    AttributeType.TIMESTAMP: String(),  # written so that texts compare as the moments do (columns.to_json)
    AttributeType.STRINGS: Text(),
}


class JsonScalar(FunctionElement[Any]):
    """The value under a key of a JSON object; null where there is none."""

    inherit_cache = True

    def __init__(self, source: ColumnElement[Any], key: str, kind: AttributeType) -> None:
        path = f'$."{key}"."$time"' if kind is AttributeType.TIMESTAMP else f'$."{key}"'
        super().__init__(type_coerce(source, Text()), path)
        self.type = _TYPES[kind]


class JsonItems(GenericFunction[Any]):
    """The items of a JSON array of texts as a table with the column `value`."""

    name = "json_each"
    inherit_cache = True


def json_scalar(source: ColumnElement[Any], key: str, kind: AttributeType) -> ColumnElement[Any]:
    """The value of this kind under `key`; a set comes as the text of its array."""
    return JsonScalar(source, key, kind)


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
def _mysql_scalar(element: JsonScalar, compiler: SQLCompiler, **options: Any) -> str:
    text = f"JSON_UNQUOTE(JSON_EXTRACT({compiler.process(element.clauses, **options)}))"
    match element.type:
        case BigInteger():
            return f"CAST({text} AS SIGNED)"
        case Float():
            return f"CAST({text} AS DOUBLE)"
        case Integer():
            return f"({text} = 'true')"
    return f"CONVERT({text} USING utf8mb4) COLLATE utf8mb4_bin"


@compiles(JsonItems, "mysql")
@compiles(JsonItems, "mariadb")
def _mysql_items(element: JsonItems, compiler: SQLCompiler, **options: Any) -> str:
    source = compiler.process(element.clauses, **options)
    return f"JSON_TABLE({source}, '$[*]' COLUMNS (value LONGTEXT COLLATE utf8mb4_bin PATH '$'))"
