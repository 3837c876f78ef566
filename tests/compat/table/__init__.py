"""The contract as a table of probes, with what both servers answer to each."""

from __future__ import annotations

from tests.compat.table import collections, filters, protocol, records, refusals, settings
from tests.compat.table.probe import Probe

#: All probes. A probe's place is part of the names that it uses.
PROBES: tuple[Probe, ...] = tuple(
    probe for section in (refusals, protocol, collections, settings, records, filters) for probe in section.probes()
)
