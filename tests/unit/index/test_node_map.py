from __future__ import annotations

import numpy as np
import pytest

from chroma_async.index import node_map
from chroma_async.index.node_map import NodeMapBuilder


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("collide", [False, True], ids=["hashes tell rows apart", "hashes collide"])
def test_each_row_stands_behind_one_node_whose_code_is_its_own(seed: int, collide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = node_map._hashes
    if collide:
        monkeypatch.setattr(node_map, "_hashes", lambda codes: hashes(codes) % np.uint64(5))
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (90, 3)).astype(np.uint8)
    builder, nodes = NodeMapBuilder(), np.empty((0, 3), np.uint8)
    for start, stop in ((0, 1), (1, 30), (30, 30), (30, 90)):
        positions = np.arange(start, stop)
        new = builder.assign(codes[start:stop], positions, lambda wanted, before=nodes: before[wanted])  # type: ignore[misc]
        nodes = np.concatenate([nodes, codes[start:stop][new]])
    made = builder.freeze()
    assert len(made.positions) == builder.nodes == len(nodes)
    owners = np.repeat(made.group_nodes, np.diff(made.group_starts))
    assert np.array_equal(codes[made.positions], nodes)
    assert np.array_equal(codes[made.members], nodes[owners])
    assert sorted([*made.positions, *made.members]) == list(range(90))
    if not collide:
        assert len(nodes) == len(np.unique(codes, axis=0))
