"""The kernel's table of mounts, read for one path."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.cli.mounts import Mount, mount_of, mountinfo

TABLE = r"""22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib
23 22 0:21 / /proc rw shared:5 - proc proc rw
24 22 8:1 / /data rw,noatime shared:1 - ext4 /dev/sda1 rw
25 22 0:22 / /data-old rw - tmpfs tmpfs rw
26 22 0:23 / /with\040blank rw - nfs4 server:/x rw
27 24 0:24 / /data rw - xfs /dev/sdb1 rw
28 22 8:1 /srv/volumes/chroma/_data /named rw - ext4 /dev/sda1 rw
29 22 8:1 /srv/volumes/NAMELESS/_data /nameless rw - ext4 /dev/sda1 rw
""".replace("NAMELESS", "0a" * 32)


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/data", Mount(Path("/data"), "xfs", "/dev/sdb1")),
        ("/data/below/it", Mount(Path("/data"), "xfs", "/dev/sdb1")),
        ("/data-old/x", Mount(Path("/data-old"), "tmpfs", "tmpfs")),
        ("/database", Mount(Path("/"), "overlay", "overlay")),
        ("/with blank/x", Mount(Path("/with blank"), "nfs4", "server:/x")),
    ],
)
def test_a_path_lies_on_the_deepest_mount_above_it_and_of_two_at_one_point_on_the_later(path: str, mount: Mount) -> None:
    assert mount_of(Path(path), TABLE) == mount


def test_a_volume_that_nobody_named_is_told_by_the_name_that_its_runtime_gave_it() -> None:
    nameless = {path: mount.is_nameless for path in ("/named", "/nameless", "/data") if (mount := mount_of(Path(path), TABLE))}
    assert nameless == {"/named": False, "/nameless": True, "/data": False}


def test_a_table_that_says_nothing_gives_no_mount() -> None:
    assert mount_of(Path("/data"), "") is None
    assert mount_of(Path("/data"), "something else\n") is None


def test_the_table_of_this_system_has_a_mount_for_every_path(tmp_path: Path) -> None:
    table = mountinfo()
    assert not table or mount_of(tmp_path, table) is not None
