"""What the image installs is written down: every requirement of the project in it, each by one release and its hashes."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.shape.source import ROOT
from tests.shape.test_distribution import instructions, project

LOCKS = ROOT / "deploy" / "image"
#: The extras that the image has.
EXTRAS = ("server", "otel", "bm25")
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M)
#: The image's Python and system, whatever runs this test.
PLACE = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def locked(name: str) -> dict[str, str]:
    """Distribution -> release."""
    return {canonicalize_name(match[1]): match[2] for match in ENTRY.finditer((LOCKS / name).read_text("utf-8"))}


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**PLACE, "extra": extra})


def is_met(requirement: Requirement, release: str | None) -> bool:
    return release is not None and requirement.specifier.contains(release, prereleases=True)


def faults(requirements: list[str], releases: dict[str, str]) -> list[str]:
    """Requirements that the lock does not meet."""
    wanted = [requirement for requirement in map(Requirement, requirements) if applies(requirement)]
    return [str(one) for one in wanted if not is_met(one, releases.get(canonicalize_name(one.name)))]


def test_every_requirement_of_the_image_is_locked_at_a_release_that_meets_it() -> None:
    extras = project()["optional-dependencies"]
    requirements = [*project()["dependencies"], *(text for extra in EXTRAS for text in extras[extra])]
    assert faults(requirements, locked("requirements.lock")) == [], "make lock brings deploy/image/requirements.lock up to date"


def test_a_requirement_that_is_newer_than_the_lock_or_not_in_it_is_found() -> None:
    assert faults(["aiohttp>=9999", "no-such-thing", "aiohttp>=3"], locked("requirements.lock")) == ["aiohttp>=9999", "no-such-thing"]


def test_what_the_locked_distributions_need_is_locked_as_far_as_it_is_installed_here() -> None:
    releases = locked("requirements.lock")
    missing, seen = set(), 0
    for name in releases:
        try:
            needs = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        seen += 1
        missing |= {canonicalize_name(one.name) for one in map(Requirement, needs) if applies(one)} - set(releases)
    assert missing == set()
    assert seen >= 20


def test_what_builds_the_image_is_locked_too() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (requires,) = re.findall(r"^requires = \[(.+)\]$", text, re.M)
    assert faults(re.findall(r'"([^"]+)"', requires), locked("build.lock")) == []


def test_the_page_of_licences_lists_what_is_locked() -> None:
    rows = re.findall(r"^\| ([a-z0-9._-]+) \|", (ROOT / "docs" / "licences.md").read_text("utf-8"), re.M)
    assert rows[1:] == sorted(locked("requirements.lock")), "make licences"


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_a_lock_holds_releases_with_hashes_and_nothing_else(name: str) -> None:
    text = (LOCKS / name).read_text("utf-8")
    assert ENTRY.sub("", text).strip() == ""
    assert len(locked(name)) == len(ENTRY.findall(text)), "one release of each"


def test_the_image_has_the_extras_that_the_lock_was_made_for() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"--extra (\w+)", makefile) == list(EXTRAS)
    assert any("--requirement deploy/image/requirements.lock" in rest for _, rest in instructions())
