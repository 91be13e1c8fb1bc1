"""What a writeable NumPy array held when a trace captured it."""

from __future__ import annotations

import numpy as np


class Snapshot:
    """A captured ndarray: what it held when it was captured."""

    __slots__ = ("array", "owner")

    def __init__(self, array, owner):
        self.array, self.owner = array, owner

    def holds(self, x: np.ndarray) -> bool:
        if x is not self.owner:
            return False
        if not x.flags.writeable and x.base is None:
            return True
        old = np.asarray(self.array)
        return x.shape == old.shape and x.tobytes() == old.tobytes()
