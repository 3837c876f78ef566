from __future__ import annotations

import pytest

from chroma_async.auth.caller import Caller
from chroma_async.auth.keys import INITIAL, Keys, make_key

ANN = Caller("ann", "reader", "acme", ("prod",))


def test_a_key_stands_for_its_caller_and_nothing_near_it_does() -> None:
    key, text = make_key(ANN, 100.0)
    other, other_text = make_key(Caller("bob"), 100.0)
    keys = Keys([key, other], lambda: 200.0)
    assert keys.caller(text) == ANN
    mixed = f"chroma_{key.id}_{other_text.split('_', 2)[2]}"
    assert [keys.caller(wrong) for wrong in (text[:-1], text + "x", text.upper(), f" {text}", key.id, "", mixed)] == [None] * 7


def test_a_key_ends_at_its_time_and_one_without_end_does_not() -> None:
    now = [100.0]
    ending, ending_text = make_key(ANN, 100.0, expires_s=160.0)
    lasting, lasting_text = make_key(ANN, 100.0)
    keys = Keys([ending, lasting], lambda: now[0])
    seen = []
    for now[0] in (159.9, 160.0, 1e12):
        seen.append((keys.caller(ending_text), keys.caller(lasting_text)))
    assert seen == [(ANN, ANN), (None, ANN), (None, ANN)]


def test_no_two_keys_are_alike_and_none_is_kept() -> None:
    made = [make_key(ANN, 0.0) for _ in range(50)]
    assert len({text for _, text in made}) == len({key.id for key, _ in made}) == 50
    for key, text in made:
        assert len(text.split("_", 2)[2]) >= 43
        assert text not in repr(key)


@pytest.mark.parametrize(("ids", "only"), [([], False), ([INITIAL], True), ([INITIAL, "other"], False), (["other"], False)])
def test_it_is_known_whether_the_first_key_is_the_only_one(ids: list[str], only: bool) -> None:
    assert Keys([make_key(ANN, 0.0, id=id)[0] for id in ids], lambda: 0.0).is_initial_only is only
