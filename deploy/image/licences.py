"""The licences of what the image holds, as a page: ``python deploy/image/licences.py > docs/licences.md``, where all of it is installed."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import metadata
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
HEAD = """# Licences

chroma_async is under the [Apache License 2.0](../LICENSE). The image also holds Python, packages of Debian with their licences in
`/usr/share/doc`, and these distributions, each of which has its licence beside it. `make licences` makes this page from what they say.

| distribution | licence | home |
|---|---|---|
"""
#: What distributions without an expression call their licences.
EXPRESSIONS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def licence(about: Message) -> str:
    """By SPDX: the expression if there is one, else what the classifiers or the field say."""
    if expression := about["License-Expression"]:
        return str(expression)
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License :: OSI Approved :: ")]
    named = classified or [str(about["License"] or "not said").strip().splitlines()[0]]
    return ", ".join(EXPRESSIONS.get(name, name) for name in named)


def home(about: Message) -> str:
    """Where it comes from: the first address that it names, its source if it says so."""
    addresses = dict(re.split(r",\s*", line, maxsplit=1) for line in about.get_all("Project-URL", []))
    words = {re.sub(r"\W", "", name).lower(): address for name, address in addresses.items()}
    wanted = ("sourcecode", "source", "repository", "github", "code", "homepage")
    found = [words[word] for word in wanted if word in words]
    return str(found[0] if found else about["Home-page"] or next(iter(addresses.values()), ""))


def main() -> None:
    names = re.findall(r"^([a-z0-9._-]+)==", LOCK.read_text("utf-8"), re.M)
    print(HEAD + "\n".join(f"| {name} | {licence(about)} | {home(about)} |" for name, about in ((name, metadata(name)) for name in names)))


if __name__ == "__main__":
    main()
