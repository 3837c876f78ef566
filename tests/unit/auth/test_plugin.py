from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Token
from chroma_async.auth.keys import Keys, make_key
from chroma_async.auth.plugin import GROUP, plugin_named
from chroma_async.config.settings import Settings, SettingsError

SOURCE = """
from chroma_async.auth.caller import Caller

class Judge:
    def __init__(self, credentials):
        self.credentials = credentials

    async def caller(self, token):
        return Caller(self.credentials) if token == "theirs" else None

def provider(credentials):
    if credentials == "secret nonsense":
        raise ValueError("what is secret nonsense?")
    return Judge(credentials)

number = 5
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two installed packages with providers."""
    (tmp_path / "plugin_of_a_test.py").write_text(SOURCE)
    lines = {
        "first": [f"[{GROUP}]", "mine = plugin_of_a_test:provider", "both = plugin_of_a_test:provider", "number = plugin_of_a_test:number"],
        "second": [
            f"[{GROUP}]",
            "both = plugin_of_a_test:Judge",
            "missing = plugin_of_no_test:x",
            "[other]",
            "elsewhere = plugin_of_a_test:x",
        ],
    }
    points = {name: "\n".join(each) for name, each in lines.items()}
    for name, text in points.items():
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (tmp_path / f"{name}-1.dist-info" / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))


async def test_a_provider_of_an_installed_package_judges_what_no_key_of_ours_is() -> None:
    key, text = make_key(Caller("ann"), 0.0)
    settings = Settings(auth_provider="mine", auth_credentials="carl")
    authentication = authentication_from(settings, Keys([key], lambda: 1.0), asyncio.to_thread)
    assert await authentication.caller(Token("theirs")) == Caller("carl")
    assert await authentication.caller(Token(text)) == Caller("ann")
    assert await authentication.caller(Token("carl")) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("both", "several installed packages"),
        ("number", "plugin_of_a_test:number is no function"),
        ("missing", "plugin_of_no_test:x cannot be loaded"),
        ("elsewhere", "unknown provider"),
        ("plugin_of_a_test:provider", "unknown provider"),
        ("plugin_of_a_test.provider", "unknown provider"),
    ],
)
def test_what_is_no_single_provider_of_the_group_is_refused(name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        authentication_from(Settings(auth_provider=name, auth_credentials="x"), Keys((), lambda: 0.0), asyncio.to_thread)


def test_credentials_that_a_provider_refuses_are_not_shown_in_its_words() -> None:
    settings = Settings(auth_provider="mine", auth_credentials="secret nonsense")
    with pytest.raises(SettingsError, match="the provider refuses them") as refused:
        authentication_from(settings, Keys((), lambda: 0.0), asyncio.to_thread)
    assert "nonsense" not in refused.value.message()


def test_a_name_that_no_package_has_is_none() -> None:
    assert plugin_named("nobody") is None
