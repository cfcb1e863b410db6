"""The algebra of enclosing conditions, over sets of numbers."""

from soutu.adapters.vectors.narrowing import Language, Narrowing, enclosed
from soutu.domain.collection import AttributeType
from soutu.domain.filter import And, Field, Leaf, Not, Or, Present

ALL = frozenset(range(8))
LEAVES = {
    "a": Narrowing(frozenset({1, 2, 3}), frozenset({2})),
    "b": Narrowing(frozenset({3, 4}), frozenset({3, 4})),
}
SETS: Language[frozenset[int]] = Language(
    all_of=lambda sets: frozenset.intersection(*sets),
    any_of=lambda sets: frozenset.union(*sets),
    none_of=lambda inside: ALL - inside,
    leaf=lambda leaf: LEAVES[leaf.field.name],
)


def a_leaf(name: str) -> Leaf:
    return Present(Field(name, AttributeType.STRING))


A, B = a_leaf("a"), a_leaf("b")


def test_not_swaps_what_lies_around_and_within() -> None:
    found = enclosed(Not(A), SETS)
    assert (found.over, found.under) == (ALL - {2}, ALL - {1, 2, 3})
    assert enclosed(Not(Not(A)), SETS) == LEAVES["a"]


def test_all_and_one_of_terms() -> None:
    both, one = enclosed(And((A, B)), SETS), enclosed(Or((A, B)), SETS)
    assert (both.over, both.under) == (frozenset({3}), frozenset())
    assert (one.over, one.under) == (frozenset({1, 2, 3, 4}), frozenset({2, 3, 4}))
