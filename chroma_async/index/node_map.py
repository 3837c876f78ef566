"""Which rows stand behind which node of a graph.

A graph numbers its nodes itself, in the order in which they were added, and many rows have no node: those that were dead when it was
built, zero vectors under cosine, rows that the codec cannot carry, and rows whose code an earlier row has. The last are *members* of that
row's group: equal nodes would fill each other's link lists until most of them could not be reached. Groups go by code and not by vector,
so vectors that differ in their last bits, as two runs of one embedding model give them, are one node too; rescoring tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from chroma_async.errors import CorruptionError
from chroma_async.format.bitmap import Bitmap
from chroma_async.format.frame import Frame, FrameWriter
from chroma_async.types import Bools, Bytes, Ints

_Hashes = npt.NDArray[np.uint64]

_SECTIONS = ("positions", "group_nodes", "group_starts", "members", "zeros", "exact")
_EMPTY: Ints = np.empty(0, np.int64)


class NodeMap:
    """Nodes to positions. Immutable.

    :ivar positions: the position of each node's first row, ascending.
    :ivar group_nodes: the nodes with further rows, ascending; the rows of ``group_nodes[i]`` are
        ``members[group_starts[i]:group_starts[i + 1]]``, ascending.
    :ivar zeros: positions of zero vectors under cosine, at distance 1.0 from everything; ascending.
    :ivar exact: positions to be compared exactly each time; ascending.
    """

    __slots__ = ("_selection", "exact", "group_nodes", "group_starts", "members", "positions", "zeros")

    def __init__(self, positions: Ints, group_nodes: Ints, group_starts: Ints, members: Ints, zeros: Ints, exact: Ints) -> None:
        self.positions = positions
        self.group_nodes = group_nodes
        self.group_starts = group_starts
        self.members = members
        self.zeros = zeros
        self.exact = exact
        self._selection: tuple[Bitmap, Bytes] | None = None

    @property
    def rows(self) -> int:
        """Rows that can be found through this map."""
        return len(self.positions) + len(self.members) + len(self.zeros) + len(self.exact)

    def expand(self, nodes: Ints) -> tuple[Ints, Ints]:
        """All rows behind ``nodes``: their positions, and for each the place in ``nodes`` that it stands behind."""
        firsts = self.positions[nodes]
        places = np.arange(len(nodes))
        if not len(self.group_nodes):
            return firsts, places
        slots = np.searchsorted(self.group_nodes, nodes)
        slots[slots == len(self.group_nodes)] = 0
        owners = np.flatnonzero(self.group_nodes[slots] == nodes)
        if not len(owners):
            return firsts, places
        starts = self.group_starts[slots[owners]]
        counts = self.group_starts[slots[owners] + 1] - starts
        ends = np.cumsum(counts)
        inside = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
        return np.concatenate([firsts, self.members[inside]]), np.concatenate([places, np.repeat(owners, counts)])

    def selection(self, allowed: Bitmap) -> Bytes:
        """The nodes with at least one row in ``allowed``, packed as FAISS reads them. The last answer is kept: most queries of a version
        ask with the same bitmap, its alive rows."""
        kept = self._selection
        if kept is not None and kept[0] is allowed:
            return kept[1]
        rows = allowed.to_bools()
        nodes = rows[self.positions]
        if len(self.members):
            nodes[self.group_nodes] |= np.logical_or.reduceat(rows[self.members], self.group_starts[:-1])
        packed = np.packbits(nodes, bitorder="little")
        self._selection = (allowed, packed)
        return packed

    def write(self, writer: FrameWriter) -> None:
        """Write the arrays as sections."""
        for name in _SECTIONS:
            writer.section(name, getattr(self, name))

    @classmethod
    def read(cls, frame: Frame, covers: int) -> NodeMap:
        """Views of written sections. :raises CorruptionError: they contradict each other, or name a position past ``covers``."""
        arrays = [frame.array(name) for name in _SECTIONS]
        node_map = cls(*arrays)
        sizes_fit = len(node_map.group_starts) == len(node_map.group_nodes) + 1 and node_map.group_starts[0] == 0
        if not sizes_fit or int(node_map.group_starts[-1]) != len(node_map.members) or any(a.dtype != np.int64 for a in arrays):
            raise CorruptionError(f"{frame.file}: the groups of equal rows do not fit together", frame.file)
        for named in (node_map.positions, node_map.members, node_map.zeros, node_map.exact):
            if len(named) and not 0 <= int(named.min()) <= int(named.max()) < covers:
                raise CorruptionError(f"{frame.file}: a row lies outside the {covers} that the graph covers", frame.file)
        if len(node_map.group_nodes) and not 0 <= int(node_map.group_nodes.min()) <= int(node_map.group_nodes.max()) < len(
            node_map.positions
        ):
            raise CorruptionError(f"{frame.file}: a group belongs to a node that is not there", frame.file)
        return node_map


class NodeMapBuilder:
    """A node map that grows by slices of ascending positions. Used by one thread."""

    def __init__(self, node_map: NodeMap | None = None, codes: Bytes | None = None) -> None:
        """Begin empty, or go on from ``node_map``, whose nodes have the codes ``codes`` ``(nodes, bytes)``."""
        self._positions = [node_map.positions] if node_map else []
        self._zeros = [node_map.zeros] if node_map else []
        self._exact = [node_map.exact] if node_map else []
        self._members = [node_map.members] if node_map else []
        self._owners = [np.repeat(node_map.group_nodes, np.diff(node_map.group_starts))] if node_map else []
        self.nodes = len(node_map.positions) if node_map else 0
        hashes = _hashes(codes) if codes is not None else np.empty(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._hashed = order.astype(np.int64)

    def put_aside(self, zeros: Ints, exact: Ints) -> None:
        """Note positions that get no node."""
        self._zeros.append(zeros)
        self._exact.append(exact)

    def assign(self, codes: Bytes, positions: Ints, codes_of: Callable[[Ints], Bytes]) -> Ints:
        """Place rows with ``codes`` ``(n, bytes)``: the indexes of those that become new nodes, ascending, in node order.

        :param codes_of: the codes of earlier nodes ``(m,)`` as ``(m, bytes)``; asked to prove what equal hashes suggest.
        """
        hashes = _hashes(codes)  # (n,)
        slots, known = self._look_up(hashes)  # (n,) and (n,)
        suspects = np.flatnonzero(known)  # (s,) rows whose hash an earlier node has
        fresh = np.flatnonzero(~known)  # (f,) the other rows
        equal_earlier = self._join_earlier(codes[suspects], positions[suspects], self._hashed[slots[suspects]], codes_of)  # (s,)
        leaders = _first_of_each(hashes, fresh)  # (f,) the first row with the hash of each
        equal_leader = (codes[leaders] == codes[fresh]).all(axis=1)  # (f,)
        leads = leaders == fresh  # (f,)
        # A row that only shares a hash becomes a node that no later row will be a member of.
        new = np.sort(np.concatenate([fresh[leads], fresh[~equal_leader], suspects[~equal_earlier]]))
        node_of = np.full(len(codes), -1, np.int64)  # (n,)
        node_of[new] = self.nodes + np.arange(len(new))
        follows = equal_leader & ~leads  # (f,)
        self._members.append(positions[fresh[follows]])
        self._owners.append(node_of[leaders[follows]])
        self._positions.append(positions[new])
        self.nodes += len(new)
        self._remember(hashes[fresh[leads]], node_of[fresh[leads]])
        return new

    def _look_up(self, hashes: _Hashes) -> tuple[Ints, Bools]:
        """For each hash its slot among those of earlier nodes, and whether it is there."""
        if not len(self._hashes):
            return np.zeros(len(hashes), np.int64), np.zeros(len(hashes), np.bool_)
        slots = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return slots, self._hashes[slots] == hashes

    def _join_earlier(self, codes: Bytes, positions: Ints, nodes: Ints, codes_of: Callable[[Ints], Bytes]) -> Bools:
        """Make members of the rows that equal the earlier nodes which have their hashes; which of them do."""
        if not len(nodes):
            return np.zeros(0, np.bool_)
        equal: Bools = (codes_of(nodes) == codes).all(axis=1)
        self._members.append(positions[equal])
        self._owners.append(nodes[equal])
        return equal

    def _remember(self, hashes: _Hashes, nodes: Ints) -> None:
        """Keep hashes that were not known, sorted, with the nodes that have them."""
        order = np.argsort(hashes)
        places = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, places, hashes[order])
        self._hashed = np.insert(self._hashed, places, nodes[order])

    def freeze(self) -> NodeMap:
        """What was placed so far."""
        members, owners = _joined(self._members), _joined(self._owners)
        order = np.lexsort((members, owners))
        groups, starts = np.unique(owners[order], return_index=True)
        bounds = np.append(starts, len(members)).astype(np.int64)
        zeros, exact = np.sort(_joined(self._zeros)), np.sort(_joined(self._exact))
        return NodeMap(_joined(self._positions), groups, bounds, members[order], zeros, exact)


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate([_EMPTY, *parts])


def _first_of_each(hashes: _Hashes, rows: Ints) -> Ints:
    """For each of the rows, ascending, the first of them that has its hash."""
    _, firsts, inverse = np.unique(hashes[rows], return_index=True, return_inverse=True)
    return rows[firsts[inverse]]


def _hashes(codes: Bytes) -> _Hashes:
    """A 64-bit hash of each row of bytes: every word is mixed with its place, and the words are summed."""
    count, width = codes.shape
    words = -(-width // 8)
    places = np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    sums = np.empty(count, np.uint64)
    for start in range(0, count, 8192):
        block = codes[start : start + 8192]
        if width % 8 or not block.flags.c_contiguous:
            padded = np.zeros((len(block), words * 8), np.uint8)
            padded[:, :width] = block
            block = padded
        mixed = block.view(np.uint64) ^ places
        for shift, factor in ((32, 0xBF58476D1CE4E5B9), (29, 0x94D049BB133111EB)):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(32)
        sums[start : start + 8192] = mixed.sum(axis=1, dtype=np.uint64)
    return sums
