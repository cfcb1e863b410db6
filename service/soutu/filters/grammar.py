"""The grammar of filters: AIP-160, less functions, bare words and fields on the right (google.aip.dev/160).

As there, OR binds tighter than AND, and terms side by side are all to hold.
"""

from functools import cache

from lark import Lark

_GRAMMAR = r"""
?expression: sequence (AND sequence)*           -> both
?sequence: factor+                              -> both
?factor: term (OR term)*                        -> either
?term: NOT simple                               -> negation
     | MINUS simple                             -> negation
     | simple
?simple: restriction
       | LPAR expression RPAR                   -> group
restriction: FIELD COMPARATOR (QUOTED | BARE)

AND: "AND"
OR: "OR"
NOT: "NOT"
MINUS: "-"
LPAR: "("
RPAR: ")"
FIELD: /(?!(AND|OR|NOT)\b)[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*/
COMPARATOR: "<=" | ">=" | "!=" | "=" | "<" | ">" | ":"
QUOTED: /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/s
BARE: /(?!(AND|OR|NOT)(?=[\s()]|$))[^\s()"'\\=<>!,]+/
WHITE: /\s+/
%ignore WHITE
"""


@cache
def parser() -> Lark:
    """The parser, made when it is first asked for: LALR, so neither depth nor length makes it recurse."""
    return Lark(_GRAMMAR, start="expression", parser="lalr", lexer="contextual", maybe_placeholders=False)
