"""Property tests of transforms: strategies that draw arrays and whole programs, and laws that hold of every function.

Hypothesis is imported here and nowhere else in the library: `import functorch_lite` does not import this package.
"""

from functorch_lite.testing import laws, strategies
from functorch_lite.testing.checkers import assert_same, check, check_grads
from functorch_lite.testing.given import given
from functorch_lite.testing.strategies import (
    Mesh,
    arrays,
    dtypes,
    in_axes,
    indices,
    keys,
    like,
    meshes,
    programs,
    pytrees,
    scalars,
    shapes,
)

__all__ = [
    "Mesh", "arrays", "assert_same", "check", "check_grads", "dtypes", "given", "in_axes", "indices", "keys", "laws",
    "like", "meshes", "programs", "pytrees", "scalars", "shapes", "strategies",
]  # fmt: skip
