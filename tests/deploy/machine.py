"""A fresh Debian machine for scripts of clouds: its files over a root that nobody changes, and stand-ins for what needs a cloud.

Real are the shell, ``blkid``, ``mkfs.ext4``, ``install``, ``chown``. Stand-ins write down how they were called: package manager, Docker,
systemd, mounting, the clouds' command lines, and waiting.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.deploy.container import base_files
from tests.deploy.programs import output_of, program

TOKEN = "the-token-of-the-cloud"
RECORD = 'printf "%s" "$(basename "$0")" >> /calls; for word in "$@"; do printf " %q" "$word" >> /calls; done; echo >> /calls'
#: Name -> what it does after it wrote down its call.
STAND_INS = {
    "apt-get": "",
    "aws": f'case "$*" in *get-secret-value*) echo {TOKEN};; *) echo password;; esac',
    "curl": f"""echo '{{"access_token": "access", "value": "{TOKEN}"}}'""",
    "docker": "cat > /dev/null < /dev/null",
    "gcloud": f"echo {TOKEN}",
    "mount": "touch /is-mounted",
    "mountpoint": "test -e /is-mounted",
    "sleep": "",
    "systemctl": "",
}
DISK_BYTES = 64 << 20


class Machine:
    """One machine; what it has changed lies below ``files``."""

    def __init__(self, directory: Path) -> None:
        if os.geteuid() != 0:
            pytest.fail("only root can make a machine's root here, so nothing was checked", pytrace=False)
        self.files, self._work, self._root = (directory / name for name in ("files", "work", "root"))
        for place in (self.files / "usr/local/bin", self._work, self._root):
            place.mkdir(parents=True)
        for name, action in STAND_INS.items():
            stand_in = self.files / "usr/local/bin" / name
            stand_in.write_text(f"#!/bin/bash\n{RECORD}\n{action}\n")
            stand_in.chmod(0o755)

    def add_disk(self, name: str) -> Path:
        """A blank disk under this name; as a file, which the tools take as well."""
        disk = self.files / name.lstrip("/")
        disk.parent.mkdir(parents=True, exist_ok=True)
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        return disk

    def run(self, script: str) -> tuple[int, str]:
        """Exit code and output of a script, run by root with its own interpreter."""
        (self.files / "user-data").write_text(script)
        (self.files / "user-data").chmod(0o700)
        options = f"lowerdir={base_files()},upperdir={self.files},workdir={self._work}"
        root = shlex.quote(str(self._root))
        inner = f"mount -t overlay overlay -o {shlex.quote(options)} {root} && exec chroot {root} /usr/bin/env -i {PATH} /user-data"
        return output_of(program("unshare", "part of util-linux"), "--mount", "--net", "sh", "-c", inner)

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of each call of a stand-in."""
        file = self.files / "calls"
        lines = [shlex.split(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
        return [words[1:] for words in lines if words[0] == name]


PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def tag_of(disk: Path, tag: str) -> str:
    """What blkid says of a disk: its LABEL, TYPE or UUID."""
    return output_of(program("blkid", "part of util-linux"), "--probe", "--output", "value", "--match-tag", tag, disk)[1].strip()
