"""Names of collections, databases and tenants; every row of the tables is what the real server answered."""

from __future__ import annotations

import pytest

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.names import check_collection_name, check_database_name, check_tenant_name

ACCEPTED = [
    "abc", "ABC", "111", "a_c", "a-c", "a.b.c", "a.-c", "a" * 512,
    "1.2.3", "256.1.1.1", "01.2.3.4", "1.2.3.400", "999.999.999.999", "1.1.1.1.1", "000.0.0.0",
    "topo+name", "t.o+nnn", "aaa+bbb", "a" * 255 + "+" + "b" * 256,
]  # fmt: skip
REFUSED = [
    "", "ab", "_abc", "abc_", "abc.", "a b", "abc\n", "é23", "::1", "a" * 513,
    "a..b", "1.2.3.4",
    "topo+ab", "to+name", "topo+", "+name", "a+c", "tp+abc", "t_+abc", "a+b+c",
    "topo+1.2.3.4", "1.2.3.4+nnn", "topo+a..b", "t..o+nnn", "a" * 256 + "+" + "b" * 256,
]  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_name_is_accepted_for_collections_and_databases(name: str) -> None:
    check_collection_name(name)
    check_database_name(name)


@pytest.mark.parametrize("name", REFUSED)
def test_the_name_is_refused_for_collections_and_databases(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_collection_name(name)
    with pytest.raises(InvalidArgumentError):
        check_database_name(name)


def test_the_message_names_the_member_of_the_request_for_collections_and_none_for_databases() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^Validation error: name: "):
        check_collection_name("ab")
    with pytest.raises(InvalidArgumentError, match=r"^Validation error: new_name: "):
        check_collection_name("ab", "new_name")
    with pytest.raises(InvalidArgumentError) as refusal:
        check_database_name("ab")
    assert "Validation error" not in str(refusal.value)


def test_pattern_periods_and_addresses_are_told_apart() -> None:
    messages = set()
    for name in ("ab", "a..b", "1.2.3.4"):
        with pytest.raises(InvalidArgumentError) as refusal:
            check_collection_name(name)
        messages.add(str(refusal.value).replace(name, ""))
    assert len(messages) == 3


def test_a_name_with_a_lone_surrogate_is_refused_with_a_printable_message() -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        check_collection_name("abc\ud800")
    str(refusal.value).encode()


@pytest.mark.parametrize("name", ["abc", "é23", " x ", "a/b", "a..b"])
def test_three_characters_of_any_kind_name_a_tenant(name: str) -> None:
    check_tenant_name(name)


@pytest.mark.parametrize("name", ["", "ab", "é", "éé", "abc\ud800"])
def test_short_or_unstorable_tenant_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_tenant_name(name)
