"""Lowerings to StableHLO: one function per primitive, in files that mirror `prims` and `control`."""

from functorch_lite.xla.lower import (  # noqa: F401  they register themselves
    contract,
    control,
    cumulative,
    elementwise,
    index,
    reduce,
    shape,
    slicing,
)
