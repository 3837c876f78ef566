"""docs/security.md says what the server does, and its program runs."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from chroma_async.auth.action import ACTIONS
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Token
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import read_policy
from chroma_async.auth.provider import PROVIDERS, Provider
from chroma_async.auth.tokens import read_tokens
from chroma_async.config.chroma_names import CLIENT_VARIABLES
from chroma_async.config.settings import TABLE, Settings
from chroma_async.server.app import ROUTES
from chroma_async.server.docs import document_routes
from chroma_async.types import Scope
from tests.compat.servers import start_ours
from tests.docs.markdown import ROOT, code, section, table

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_the_program_of_the_page_is_let_in_by_its_token(tmp_path: Path) -> None:
    (program,) = [text for text in blocks("python") if text.startswith("# with_token.py")]
    (token,) = set(re.findall(r"CHROMA_SERVER_AUTHN_CREDENTIALS=(\S+)", "\n".join(blocks("sh"))))
    server = start_ours(tmp_path / "data", env={"CHROMA_SERVER_AUTHN_CREDENTIALS": token})
    try:
        file = tmp_path / "with_token.py"
        file.write_text(program.replace("port=8000", f"port={server.port}"), "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run([sys.executable, str(file)], env=environment, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.stop()
    assert (ended.stdout, ended.stderr) == ("anonymous 0\n", "")


async def test_the_package_of_the_page_is_found_and_judges_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project,) = [text for text in blocks("toml") if "entry-points" in text]
    (program,) = [text for text in blocks("python") if text.startswith("# company_chroma.py")]
    ((group, points),) = tomllib.loads(project)["project"]["entry-points"].items()
    (tmp_path / "company_chroma.py").write_text(program, "utf-8")
    packaged = tmp_path / "company_chroma-1.dist-info"
    packaged.mkdir()
    (packaged / "METADATA").write_text("Metadata-Version: 2.1\nName: company-chroma\nVersion: 1\n")
    (packaged / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()))
    monkeypatch.syspath_prepend(str(tmp_path))
    authentication = authentication_from(Settings(auth_provider="company"), Keys((), lambda: 0.0), asyncio.to_thread)
    assert authentication.can_let_in
    assert await authentication.caller(Token("a-company-token")) == Caller("carl", "writer", "acme")
    assert await authentication.caller(Token("another")) is None


def test_the_file_of_users_on_the_page_can_be_read() -> None:
    (users,) = [text for text in blocks("yaml") if text.startswith("# users.yaml")]
    indexer = read_tokens(users).caller("another-random-text")
    assert indexer is not None
    assert (indexer.user, indexer.tenant, list(indexer.databases)) == ("indexer", "acme", ["support"])


def test_the_table_of_providers_is_the_one_that_is_looked_up() -> None:
    said = {code(name)[0]: kind for name, kind in table(PAGE, "provider", "is")}
    kinds = {Provider.TOKEN: "tokens", Provider.BASIC: "passwords"}
    assert said == {name: kinds[provider] for name, provider in PROVIDERS.items()}


@pytest.mark.parametrize("variable", re.findall(r"`(CHROMA_[A-Z_]+)`", PAGE))
def test_every_variable_on_the_page_is_one_of_a_setting(variable: str) -> None:
    assert CLIENT_VARIABLES.fullmatch(variable) or variable in {name for row in TABLE.values() for name in row.environment}


def test_the_routes_that_ask_nobody_are_those_of_the_table() -> None:
    text = section(PAGE, "What is never asked")
    for route in (*ROUTES, *document_routes(ROUTES)):
        said = f"`{route.path}`" in text or route.path.startswith(("/api/v1/", "/docs/"))
        assert said == route.open, route.path


def test_the_settings_of_signed_tokens_are_those_on_the_page() -> None:
    named = {name for row in table(PAGE, "setting") for name in code(row[0])}
    assert named == {name for name in TABLE if name.startswith("jwt_")} - {"jwt_leeway_s", "jwt_refresh_s"}


def test_the_roles_on_the_page_can_be_read_and_the_table_of_actions_has_them_all() -> None:
    (roles,) = [text for text in blocks("yaml") if text.startswith("# roles.yaml")]
    policy = read_policy(roles)
    assert policy.permission(Caller("ann")).on_system("system:reset")
    assert policy.permission(Caller("x", "support")).on_collection("collection:query", Scope("acme", "prod-1"), "any")
    listed = {name for _, names in table(PAGE, "on", "actions") for name in code(names)}
    assert listed == ACTIONS
