"""A row of the table: its names, what it takes, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chroma_async.config.setting import MASK, measured_setting, setting, table


@dataclass(frozen=True)
class Doors:
    """Doors: who comes in."""

    token: str = setting("", "Word that opens the door.", secret=True, variables=("OLD_TOKEN",))
    height_m: float = setting(2.0, "Height.", at_most=3, key="door.height")
    colour: str = setting("red", "Colour.", choices=("red", "blue"), flag="COLOUR")


@dataclass(frozen=True)
class House(Doors):
    """A house. With doors."""

    name: str = setting("Home", "What it is called.")
    rooms: int = measured_setting(lambda: 3, "as many as there are", "Rooms.")
    age_years: int | None = setting(None, "Age, if it is known.", at_least=0)


ROWS = table(House, "HOUSE_")


def test_rows_stand_in_groups_that_are_named_by_the_docstrings() -> None:
    assert [(row.group, row.name) for row in ROWS.values()] == [
        ("A house", "name"), ("A house", "rooms"), ("A house", "age_years"), ("Doors", "token"), ("Doors", "height_m"), ("Doors", "colour"),
    ]  # fmt: skip


def test_a_row_knows_all_its_names_the_own_one_first() -> None:
    assert ROWS["height_m"].keys == ("height_m", "door.height")
    assert ROWS["height_m"].environment == ("HOUSE_HEIGHT_M", "CHROMA_DOOR__HEIGHT")
    assert ROWS["colour"].option == "--colour"
    assert ROWS["name"].option == ""


def test_a_secret_may_stand_in_a_file_under_each_of_its_names() -> None:
    assert ROWS["token"].environment == ("HOUSE_TOKEN", "OLD_TOKEN", "HOUSE_TOKEN_FILE", "OLD_TOKEN_FILE")


def test_only_a_secret_that_is_set_is_masked() -> None:
    assert (ROWS["token"].masked("open"), ROWS["token"].masked(""), ROWS["name"].masked("open")) == (MASK, "", "open")


def test_a_default_may_depend_on_the_machine() -> None:
    assert (ROWS["rooms"].default, ROWS["rooms"].default_shown) == (3, "as many as there are")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("height_m", 2, None),
        ("height_m", 0.0, "a number above 0 and at most 3 is expected"),
        ("height_m", 3.5, "a number above 0 and at most 3 is expected"),
        ("height_m", float("nan"), "a number above 0 and at most 3 is expected"),
        ("age_years", None, None),
        ("age_years", 0, None),
        ("age_years", -1, "a whole number of at least 0 or none is expected"),
        ("age_years", 1.0, "a whole number of at least 0 or none is expected"),
        ("age_years", True, "a whole number of at least 0 or none is expected"),
        ("age_years", 1 << 63, "a whole number of at least 0 or none is expected"),
        ("colour", "green", "one of red, blue is expected"),
        ("name", " ", "a text that is not empty is expected"),
        ("name", "a\0b", "a text without NUL characters is expected"),
        ("name", None, "a text is expected"),
        ("token", "", None),
    ],
)
def test_a_value_of_another_type_or_out_of_bounds_has_a_reason(name: str, value: object, reason: str | None) -> None:
    assert ROWS[name].fault(value) == reason
