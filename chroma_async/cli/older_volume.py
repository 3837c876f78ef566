"""A volume where older images of Chroma kept their data: who only changed the image's name in a compose file mounted it there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chroma_async.cli.mounts import mount_of
from chroma_async.config.environment import DEFAULT_PREFIX
from chroma_async.config.loading import Resolution

#: The data directory of Chroma's images up to 0.6.
OLDER_VOLUME = Path("/chroma/chroma")
_DEFAULT_OF_THE_IMAGE = f"{DEFAULT_PREFIX}PATH"


def with_older_volume(found: Resolution, table: str) -> Resolution:
    """The settings with the older volume as data directory and a notice that says so, if it is the only volume that somebody mounted.

    Nothing changes where a flag, a variable or a file names the directory, nor outside of an image, which alone has that default. A volume
    that the container's runtime made by itself, for want of a named one, was mounted by nobody.

    :param table: as :func:`chroma_async.cli.mounts.mountinfo` returns it.
    """
    path = found.settings.path
    if not found.origins["path"].endswith(_DEFAULT_OF_THE_IMAGE) or not _is_mounted(OLDER_VOLUME, table) or _is_mounted(Path(path), table):
        return found
    reason = f"where a volume is mounted and older images of Chroma kept it; {path}, the usual place, is no volume"
    notice = f"data is kept in {OLDER_VOLUME}, {reason}"
    return Resolution(
        settings=replace(found.settings, path=str(OLDER_VOLUME)),
        origins={**found.origins, "path": f"the volume at {OLDER_VOLUME}"},
        notices=(*found.notices, notice),
    )


def _is_mounted(path: Path, table: str) -> bool:
    """Whether somebody mounted something exactly here."""
    mount = mount_of(path, table)
    return mount is not None and mount.point == path and not mount.is_nameless
