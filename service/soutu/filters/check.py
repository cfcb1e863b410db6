"""Restrictions checked against the schema, and what they mean."""

from collections.abc import Callable, Mapping

from soutu.domain.collection import AttributeType
from soutu.domain.filter import (
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Not,
    Place,
    Present,
    Value,
)
from soutu.filters.literals import (
    Pattern,
    boolean_of,
    integer_of,
    moment_of,
    number_of,
    pattern_of,
)
from soutu.filters.refused import refused, shown
from soutu.filters.schema import WORDS, Schema, is_set_of_texts
from soutu.filters.syntax import Restriction

_SCALARS: Mapping[AttributeType, Callable[[Restriction], Value]] = {
    AttributeType.INTEGER: integer_of,
    AttributeType.NUMBER: number_of,
    AttributeType.BOOLEAN: boolean_of,
    AttributeType.TIMESTAMP: moment_of,
}
_NONE_IS_ZERO = "rating"


def meaning_of(restriction: Restriction, schema: Schema) -> Filter:
    """The restriction as a filter; FILTER_INVALID where the schema does not have it so."""
    field = schema.field(restriction.field)
    if field is None:
        sentence = f"there is no field {shown(restriction.field)}; {schema.unknown(restriction.field)}"
        raise refused(restriction.column, sentence)
    if restriction.comparator == ":" and restriction.literal == "*":
        return _presence(field)
    if field.name in WORDS:
        return _word(field, restriction)
    if field.type in _SCALARS:
        return _scalar(field, restriction)
    pattern = pattern_of(restriction)
    if field.name == "name":
        anywhere = restriction.comparator == ":" and pattern.exact
        named = Pattern(pattern.text, True, True) if anywhere else pattern
        pattern = _of_id(named, schema.image_prefix) if "/" in pattern.text else pattern
    return _text(field, restriction, pattern)


def _of_id(name: Pattern, prefix: str) -> Pattern:
    """What a pattern of whole names says of ids, which have no slash: a name is the prefix and the id. One
    that no name has is left as it is, and accepts no id."""
    if name.open_end and (name.text in prefix if name.open_start else prefix.startswith(name.text)):
        return Pattern("", open_end=True)
    before, slash, of_id = name.text.rpartition("/")
    fits = prefix.endswith(before + slash) if name.open_start else prefix == before + slash
    return Pattern(of_id, False, name.open_end) if fits else name


def _presence(field: Field) -> Filter:
    if field.name == _NONE_IS_ZERO:
        return Compares(field, Direction.MORE, 0)
    return Present(field)


def _word(field: Field, restriction: Restriction) -> Filter:
    words = WORDS[field.name]
    _check_equality(field, restriction)
    pattern = pattern_of(restriction)
    if not pattern.exact or pattern.text not in words:
        raise refused(restriction.literal_column, f"{field.name} is one of {', '.join(words)}")
    return _equality(Equals(field, words[pattern.text]), restriction)


def _scalar(field: Field, restriction: Restriction) -> Filter:
    if restriction.comparator == ":":
        kind = f"{'an' if field.type[0] in 'aeiou' else 'a'} {field.type}"
        sentence = f"{field.name} is {kind}; `:` takes only * here, for being set"
        raise refused(restriction.column, sentence)
    if field.type is AttributeType.BOOLEAN:
        _check_equality(field, restriction)
    value = _SCALARS[field.type](restriction)
    if restriction.comparator in ("=", "!="):
        return _equality(Equals(field, value), restriction)
    return Compares(field, Direction(restriction.comparator), value)


def _text(field: Field, restriction: Restriction, pattern: Pattern) -> Filter:
    if restriction.comparator == ":":
        return _has(field, restriction, pattern)
    if is_set_of_texts(field):
        raise refused(restriction.column, f"{field.name} is a set; write {field.name}:VALUE for its items")
    if restriction.comparator in ("=", "!="):
        return _equality(_matches(field, pattern), restriction)
    if not pattern.exact:
        raise refused(restriction.literal_column, "wildcards go with =, != and :")
    return Compares(field, Direction(restriction.comparator), pattern.text)


def _has(field: Field, restriction: Restriction, pattern: Pattern) -> Filter:
    """Of a set an item that is this, of a text this anywhere in it, unless wildcards say where."""
    if pattern == Pattern(""):
        raise refused(restriction.literal_column, "`:` takes a text that is not empty")
    if pattern.exact and not is_set_of_texts(field):
        return Contains(field, Place.ANYWHERE, pattern.text)
    return _matches(field, pattern)


def _matches(field: Field, pattern: Pattern) -> Filter:
    match pattern:
        case Pattern("", False, False):
            return Not(Present(field))
        case Pattern(""):
            return Present(field)
        case Pattern(text, False, False):
            return Equals(field, text)
        case Pattern(text, True, True):
            return Contains(field, Place.ANYWHERE, text)
        case Pattern(text, open_start, _):
            return Contains(field, Place.END if open_start else Place.START, text)


def _check_equality(field: Field, restriction: Restriction) -> None:
    if restriction.comparator not in ("=", "!="):
        raise refused(restriction.column, f"{field.name} is compared by = and != only")


def _equality(filter_: Filter, restriction: Restriction) -> Filter:
    return filter_ if restriction.comparator == "=" else negated(filter_)


def negated(filter_: Filter) -> Filter:
    """The filter that accepts what this one does not."""
    return filter_.term if isinstance(filter_, Not) else Not(filter_)
