"""How many files this process may hold open."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger(__name__)

#: Taken where the system does not say.
ASSUMED_LIMIT = 1024


def raise_limit(wanted: int) -> int:
    """Ask for as many open files as the system lets this process have, up to ``wanted``. Memory maps hold one each, and an ordinary limit
    (1,024) is soon used up.

    :returns: how many it may have then; never fewer than before.
    """
    if sys.platform == "win32":
        return ASSUMED_LIMIT
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return max(wanted, ASSUMED_LIMIT)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (ValueError, OSError) as error:
            logger.warning("the limit of %d open files stays: %s", soft, error)
        else:
            return target
    return soft
