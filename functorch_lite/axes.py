"""Named axes."""

from __future__ import annotations

import math
from typing import NamedTuple


class Axis(NamedTuple):
    """A named axis in scope. It may be split, over devices and within each, so it is one or more axes of the graph."""

    names: tuple[str, ...]  # in the graph, the slowest first
    sizes: tuple[int, ...]
    started: str  # the user's line
    devices: bool  # whether its rows, or parts of them, are devices

    @property
    def size(self) -> int:
        return math.prod(self.sizes)
