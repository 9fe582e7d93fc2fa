"""Tables of documents as Markdown: a row a line, the first row its header, cells between bars."""

from __future__ import annotations

from collections.abc import Sequence

from groundtune.parse._parsed import one_line


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines, without its empty rows and columns. What has one row or one column is no table, but lines."""
    cells = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows if any(map(str.strip, row))]
    width = max(map(len, cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    used = [column for column in range(width) if any(row[column] for row in cells)]
    if len(cells) < 2 or len(used) < 2:
        return ["; ".join(cell for cell in row if cell) for row in cells]
    lines = [one_line(f"| {' | '.join(row[column] for column in used)} |") for row in cells]
    return [lines[0], f"|{' --- |' * len(used)}", *lines[1:]]
