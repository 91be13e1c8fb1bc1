"""Lowerings to StableHLO: one function per primitive, in files that mirror `prims` and `control`."""

from functorch_lite.xla.lower import (  # noqa: F401  they register themselves
    activation,
    bits,
    cond,
    contract,
    control,
    cumulative,
    effect,
    elementwise,
    index,
    naming,
    random,
    reduce,
    remat,
    scan,
    select,
    shape,
    slicing,
    sort,
    special,
    while_loop,
)
