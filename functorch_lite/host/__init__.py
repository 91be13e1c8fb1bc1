"""The NumPy executor: one equation at a time, never compiling. One function per primitive, in the file of its family.

A host function is made per types and parameters: `(in_types, out_types, **params) -> function of NumPy arrays`, so
that what depends on dtypes and axes is decided once. It returns one array, or a sequence where the primitive has many
results; it never writes to its operands.
"""

from functorch_lite.host import (  # noqa: F401  they register themselves
    activation,
    bits,
    cond,
    contract,
    control,
    cumulative,
    effect,
    elementwise,
    execute,
    fft,
    index,
    linear_call,
    linear_solve,
    naming,
    random,
    reduce,
    remat,
    root,
    scan,
    select,
    shape,
    shard_map,
    slicing,
    sort,
    special,
    while_loop,
)
