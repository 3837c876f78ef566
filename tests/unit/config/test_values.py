"""Values as they are given: read, judged, and refused with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.values import Given, parse
from tests.unit.config.test_setting import ROWS

TOKEN = ROWS["token"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("colour", "BLUE", "blue"), ("height_m", " 2.5 ", 2.5), ("height_m", 2, 2.0), ("age_years", "None", None), ("age_years", "7", 7)],
)
def test_text_becomes_a_value_of_the_settings_type(name: str, value: object, expected: object) -> None:
    assert parse(ROWS[name], value) == expected


@pytest.mark.parametrize("value", ["", "many", [1], {}, None, True, 10**400])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a number above 0 and at most 3 is expected"):
        parse(ROWS["height_m"], value)


def test_a_secret_in_a_file_loses_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("open sesame\n")
    assert Given(TOKEN, "HOUSE_TOKEN_FILE", str(file), "environment", names_file=True).parsed() == "open sesame"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "UTF-8"), (b"x" * ((1 << 20) + 1), "1048576 bytes")],
)
def test_a_file_that_holds_no_value_is_refused_by_name(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as caught:
        Given(TOKEN, "HOUSE_TOKEN_FILE", str(file), "environment", names_file=True).parsed()
    assert str(file) in str(caught.value)


def test_a_secret_that_is_refused_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        Given(TOKEN, "HOUSE_TOKEN", "sesame\0", "environment").parsed()
    assert "sesame" not in str(caught.value)
    assert MASK in str(caught.value)


def test_a_long_value_is_cut_short_in_the_refusal() -> None:
    with pytest.raises(SettingsError) as caught:
        Given(ROWS["age_years"], "age_years", "9" * 10_000, "file").parsed()
    assert len(str(caught.value)) < 400
