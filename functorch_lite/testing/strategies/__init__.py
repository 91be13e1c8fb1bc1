"""Hypothesis strategies of what transforms are tested with: numbers, arrays, trees, axes, keys, and whole programs.

Every strategy checks what it is asked for when it is made, and says in one sentence what is wrong with it.
"""

from functorch_lite.testing.strategies.drawn import programs
from functorch_lite.testing.strategies.structure import Mesh, in_axes, meshes, pytrees
from functorch_lite.testing.strategies.values import arrays, dtypes, indices, keys, like, scalars, shapes

__all__ = [
    "Mesh", "arrays", "dtypes", "in_axes", "indices", "keys", "like", "meshes", "programs", "pytrees", "scalars",
    "shapes",
]  # fmt: skip
