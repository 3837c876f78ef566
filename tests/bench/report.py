"""The table that people read, and the JSON that programs compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Line:
    """One figure of each server. ``better`` says which way is better: 1 for more, -1 for less."""

    name: str
    unit: str
    better: int
    values: dict[str, float] = field(default_factory=dict)


class Report:
    """Lines in the order in which they were first written."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.lines: dict[tuple[str, str], Line] = {}

    def put(self, server: str, name: str, unit: str, value: float, better: int = 1) -> None:
        """Keep a figure; a second one for the same server is averaged in by the caller."""
        self.lines.setdefault((name, unit), Line(name, unit, better)).values[server] = value

    def table(self) -> str:
        """Fixed-width text: a figure per server and, for two, the first divided by the second with a mark where that is worse."""
        widths = [max(len(line.name) for line in self.lines.values()), 10, *(max(12, len(name)) for name in self.names), 14]
        rows = [["", "unit", *self.names, "/".join(self.names[:2]) if len(self.names) == 2 else ""]]
        for line in self.lines.values():
            cells = [_number(line.values.get(name)) for name in self.names]
            rows.append([line.name, line.unit, *cells, self._ratio(line)])
        return "\n".join(
            "  ".join(
                cell.ljust(width) if n < 2 else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def as_json(self) -> list[Mapping[str, object]]:
        """Every line as a plain mapping."""
        return [{"name": line.name, "unit": line.unit, "better": line.better, **line.values} for line in self.lines.values()]

    def _ratio(self, line: Line) -> str:
        values = [line.values.get(name) for name in self.names]
        if len(values) != 2 or values[0] is None or not values[1]:
            return ""
        ratio = values[0] / values[1]
        worse = ratio < 1 if line.better > 0 else ratio > 1
        return f"{ratio:.2f}" + (" worse" if worse else "      ")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
