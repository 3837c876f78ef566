from __future__ import annotations

import pytest
from chromadb.auth import AuthzAction

from chroma_async.auth.action import ACTIONS, actions_named


def test_every_action_of_chromas_python_server_is_known() -> None:
    assert {action.value for action in AuthzAction} <= ACTIONS


def test_a_star_stands_for_what_it_matches() -> None:
    assert actions_named(["*"]) == ACTIONS
    assert actions_named(["system:*", "collection:get"]) == {
        "system:reset",
        "system:metrics",
        "system:manage_keys",
        "collection:get",
    }
    assert {action.partition(":")[0] for action in actions_named(["*:get_*"])} == {"tenant", "db", "collection"}


def test_names_of_older_files_mean_what_they_meant() -> None:
    assert actions_named(["collection:peek", "db:get_collection"]) == {"collection:get", "collection:get_collection"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("collection:querry", "'collection:querry' is no action; did you mean collection:query"),
        ("files:*", "'files:*' is no action"),
        ("", "'' is no action"),
        (5, "5 is no name"),
    ],
)
def test_an_unknown_action_is_named(name: object, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        actions_named(["collection:get", name])
