"""The filter tree, as those see it who need not know how its clauses are put together."""

from __future__ import annotations

from chroma_async.query_language.filter_ast import And, DocumentContains, Everything, HasKey, IdIn, Not, Or, leaves


def test_leaves_come_from_left_to_right_through_every_level() -> None:
    tree = And((HasKey("a"), Or((Not(And((HasKey("b"), Not(IdIn(("x",)))))), DocumentContains("text"))), HasKey("c")))
    assert list(leaves(tree)) == [HasKey("a"), HasKey("b"), IdIn(("x",)), DocumentContains("text"), HasKey("c")]


def test_a_leaf_is_its_own_and_an_empty_choice_has_none() -> None:
    assert list(leaves(Everything())) == [Everything()]
    assert list(leaves(Not(Or(())))) == []
