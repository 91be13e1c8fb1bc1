"""Lowerings to StableHLO: one function per primitive, in files that mirror `prims` and `control`."""

from functorch_lite.xla.lower import (  # noqa: F401  they register themselves
    bits,
    cond,
    contract,
    control,
    cumulative,
    effect,
    elementwise,
    index,
    random,
    reduce,
    scan,
    select,
    shape,
    slicing,
    sort,
    special,
)
