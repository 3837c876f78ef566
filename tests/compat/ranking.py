"""Comparing two answers: equal distances may come in any order, and Chroma's cosine space gives vectors back with rounding errors."""

from __future__ import annotations

from typing import Any

#: Distances closer than this count as equal: float32 sums in different orders.
CLOSE = 2e-5


def disagreement(one: dict[str, Any], other: dict[str, Any], n_results: int) -> str | None:
    """What differs between two query results that include distances; ``None`` when they say the same.

    Where a tie runs over the end of the list, each may have cut it elsewhere.
    """
    if one["include"] != other["include"] or len(one["ids"]) != len(other["ids"]):
        return "include or the number of queries"
    for query, (ids, other_ids) in enumerate(zip(one["ids"], other["ids"], strict=True)):
        distances, other_distances = one["distances"][query], other["distances"][query]
        if len(ids) != len(other_ids):
            return f"query {query} has {len(ids)} and {len(other_ids)} results"
        if any(abs(a - b) > CLOSE * max(1.0, abs(a)) for a, b in zip(distances, other_distances, strict=True)):
            return f"distances of query {query}: {distances} and {other_distances}"
        groups = list(_groups(distances))
        for number, (start, stop) in enumerate(groups):
            cut = number == len(groups) - 1 and len(ids) == n_results
            if not cut and set(ids[start:stop]) != set(other_ids[start:stop]):
                return f"query {query} at distance {distances[start]}: {ids[start:stop]} and {other_ids[start:stop]}"
        for column in ("documents", "metadatas", "embeddings", "uris"):
            if (one[column] is None) != (other[column] is None):
                return f"column {column}"
            if one[column] is not None:
                rows, other_rows = dict(zip(ids, one[column][query], strict=True)), dict(zip(other_ids, other[column][query], strict=True))
                if any(rounded(rows[id]) != rounded(other_rows[id]) for id in rows.keys() & other_rows.keys()):
                    return f"column {column} of query {query}"
    return None


def rounded(value: Any) -> Any:
    """Floats, at any depth, to five significant digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _groups(distances: list[float]) -> list[tuple[int, int]]:
    starts = [0] + [n for n in range(1, len(distances)) if distances[n] - distances[n - 1] > CLOSE * max(1.0, abs(distances[n]))]
    return list(zip(starts, [*starts[1:], len(distances)], strict=True)) if distances else []
