"""The tuples (0,), (1,), ...: the results of most equations, the same objects in all graphs.

They are a third of what the collector of garbage walks in a large graph, and a quarter of its memory.
"""

from __future__ import annotations

_MOST = 1 << 17  # that are held for good: some 10 MB
_table: list[tuple[int]] = []


def singles(n: int) -> list[tuple[int]]:
    """At least the first `n` of them."""
    global _table
    if n > _MOST:
        return [(k,) for k in range(n)]
    if len(_table) < n:  # another list, not a longer one: two threads may do so at once
        _table = [*_table, *[(k,) for k in range(len(_table), max(n, min(2 * len(_table), _MOST)))]]
    return _table
