"""Terraform files, and what the providers' own schemas say of each resource and argument in them.

The schemas are those of bindings that are generated from the providers: their modules name every argument, with its type. They are read as
text, out of the archive: installed they would be gigabytes, and only a few of their modules are needed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.deploy.programs import DEPLOY

#: Arguments that Terraform itself gives to every resource.
META = {"count", "for_each", "provider", "depends_on"}
LIFECYCLE = {"prevent_destroy", "create_before_destroy", "ignore_changes", "replace_triggered_by"}
REFERENCE = re.compile(r"\b(data\.)?((?:google|azurerm)_\w+)\.(\w+)(?:\[0\])?\.(\w+)")
Body = dict[str, Any]


@dataclass(frozen=True)
class Argument:
    """One argument: whether it must be given, and what a block of it has; ``None`` for a plain value."""

    required: bool
    block: str | None


class Module:
    """The generated module of one resource."""

    def __init__(self, text: str) -> None:
        self._classes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}

    @cached_property
    def config(self) -> str:
        """The class with the arguments of the resource."""
        (name,) = [
            name for name, node in self._classes.items() if any("TerraformMetaArguments" in ast.unparse(base) for base in node.bases)
        ]
        return name

    def arguments(self, name: str) -> dict[str, Argument]:
        """Those of a class: the resource's own, or one of its blocks."""
        (made,) = [item for item in self._classes[name].body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        found = {}
        for argument, default in zip(made.args.kwonlyargs, made.args.kw_defaults, strict=True):
            annotation = ast.unparse(argument.annotation) if argument.annotation else ""
            blocks = [word for word in re.findall(r"'(\w+)'", annotation) if word in self._classes]
            found[argument.arg.rstrip("_")] = Argument(default is None, blocks[0] if blocks else None)
        return found

    def attributes(self) -> set[str]:
        """What may be read of the resource."""
        owner = self._classes[self.config.removesuffix("Config")]
        return {item.name.rstrip("_") for item in owner.body if isinstance(item, ast.FunctionDef) and item.decorator_list}


class Provider:
    """The schema of one provider, from the archive that ``make deployment`` fetches."""

    def __init__(self, name: str) -> None:
        self.name = name
        found = sorted((Path(sys.prefix) / "providers").glob(f"cdktn_provider_{name}-*.whl"))
        if not found:
            pytest.fail(f"there is no schema of {name}, so nothing was checked: make deployment fetches it", pytrace=False)
        self._archive = ZipFile(found[-1])
        self._modules: dict[str, Module | None] = {}

    def module(self, kind: str, is_data: bool) -> Module | None:
        """The module of a type such as ``google_compute_disk``; ``None``: the provider has no such type."""
        name = f"data_{kind}" if is_data else kind.removeprefix(f"{self.name}_")
        if name not in self._modules:
            path = f"cdktn_provider_{self.name}/{name}/__init__.py"
            known = path in self._archive.namelist()
            self._modules[name] = Module(self._archive.read(path).decode()) if known else None
        return self._modules[name]

    @cached_property
    def release(self) -> str:
        """The release of the provider that the schema is of."""
        (path,) = [name for name in self._archive.namelist() if name.endswith(("/project/__init__.py", "/subnet/__init__.py"))]
        found = re.search(rf"hashicorp/{self.name}/([\d.]+)/docs", self._archive.read(path).decode())
        assert found
        return found[1]


def load(directory: Path) -> Body:
    """All files of a directory as one."""
    import hcl2

    merged: dict[str, list[Any]] = {}
    for file in sorted(directory.glob("*.tf")):
        with file.open(encoding="utf-8") as text:
            content = plain(hcl2.load(text))
        for kind, blocks in content.items():
            merged.setdefault(kind, []).extend(blocks)
    return merged


def plain(value: Any) -> Any:
    """What the parser gives, with its marks on blocks and without quotes and comments."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(item) for key, item in value.items() if key != "__comments__"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.removeprefix('"').removesuffix('"') if isinstance(value, str) else value


def blocks(module: Body, kind: str) -> Iterator[tuple[str, str, Body]]:
    """(type, name, body) of every resource or data source."""
    for block in module.get(kind, []):
        for type_, named in block.items():
            for name, body in named.items():
                yield type_, name, body


def faults(module: Body, provider: Provider) -> list[str]:
    """Everything in a module that its provider does not know, or lacks."""
    found = []
    for kind in ("resource", "data"):
        for type_, name, body in blocks(module, kind):
            schema = provider.module(type_, kind == "data")
            at = f"{type_}.{name}"
            found += [f"{at}: no such type"] if schema is None else list(_of_body(body, schema, schema.config, at, META))
    return found + list(_of_references(module, provider))


def _of_body(body: Body, schema: Module, name: str, at: str, more: set[str] = frozenset()) -> Iterator[str]:  # type: ignore[assignment]
    known, given = schema.arguments(name), dict(_members(body))
    for argument in known:
        if known[argument].required and argument not in given:
            yield f"{at}: {argument} is missing"
    for argument, values in given.items():
        if argument == "lifecycle" and more:
            yield from (f"{at}.lifecycle: no {inner}" for value in values for inner, _ in _members(value) if inner not in LIFECYCLE)
        elif argument not in more:
            yield from _of_argument(known.get(argument), values, schema, f"{at}.{argument}")


def _of_argument(argument: Argument | None, values: list[Any], schema: Module, at: str) -> Iterator[str]:
    if argument is None:
        yield f"{at}: no such argument"
        return
    for value in values:
        is_block = isinstance(value, dict) and "__is_block__" in value
        if is_block != (argument.block is not None):
            yield f"{at}: {'a plain value' if is_block else 'a block'} is expected"
        elif argument.block is not None:
            yield from _of_body(value, schema, argument.block, at)


def _members(body: Body) -> Iterator[tuple[str, list[Any]]]:
    """Argument -> its values, those that are made dynamically among them."""
    for name, value in body.items():
        if name == "dynamic":
            for made in value:
                yield from ((inner, list(block["content"])) for inner, block in made.items() if not inner.startswith("__"))
        elif not name.startswith("__"):
            is_blocks = isinstance(value, list) and any(isinstance(item, dict) and "__is_block__" in item for item in value)
            yield name, value if is_blocks else [value]


def texts(value: Any) -> Iterator[str]:
    """Every text in a module."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def _of_references(module: Body, provider: Provider) -> Iterator[str]:
    declared = {(kind, type_, name) for kind in ("resource", "data") for type_, name, _ in blocks(module, kind)}
    for text in texts(module):
        for data, type_, name, attribute in REFERENCE.findall(text):
            kind = "data" if data else "resource"
            schema = provider.module(type_, kind == "data")
            if (kind, type_, name) not in declared:
                yield f"{type_}.{name} is referred to and not declared"
            elif schema is not None and attribute not in schema.attributes():
                yield f"{type_}.{name} has no {attribute}"


#: Cloud -> the template of what its machine does first.
SCRIPTS = {"gcp": "startup.sh.tftpl", "azure": "custom-data.sh.tftpl"}
#: One value for each name in the templates.
VALUES = {
    "image": "registry.example/chroma-async:1",
    "secret": "projects/p/secrets/s",
    "vault": "https://vault.example/",
    "auth_provider": "chromadb.auth.basic_authn.BasicAuthenticationServerProvider",
    "token_header": "X-Chroma-Token",
    "otel_endpoint": "http://192.0.2.1:4318",
    "otel_service_name": "store",
    "otel_headers": '{"a": "b"}',
    "otel_granularity": "operation",
}


def rendered(cloud: str) -> str:
    """The script of a cloud's machine, as Terraform makes it of template and file."""
    text = (DEPLOY / cloud / SCRIPTS[cloud]).read_text("utf-8")
    made = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda match: VALUES[match[1]], text).replace("$${", "${")
    return made + (DEPLOY / "cloud" / "first-boot.sh").read_text("utf-8")
