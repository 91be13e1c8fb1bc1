"""One table of examples per file of primitives; `EXAMPLES` holds them all by the primitive's name."""

from functorch_lite.testing.examples import (  # noqa: F401
    activation,
    bits,
    collective,
    contract,
    control,
    cumulative,
    effect,
    elementwise,
    fft,
    index,
    nested,
    random,
    reduce,
    select,
    shape,
    slicing,
    solve,
    sort,
    special,
)
from functorch_lite.testing.examples.record import EXAMPLES, Example

# Primitives that no program holds as it is written: what makes them from a program with that example.
DERIVED = {
    "custom": ("with_jvp", "graph"), "with_jvp": ("with_jvp", "jvp"), "with_vjp": ("with_vjp", "grad"),
    "with_vmap": ("with_vmap", "vmap"), "pullback": ("with_vjp", "grad"), "record": ("while_loop", "grad"),
    "replay": ("while_loop", "grad"), "recurrence": ("cumprod", "grad"), "vary": ("psum", "graph"),
}  # fmt: skip
INTERNAL = {
    "threefry2x32": "only rules and lowerings call it",
    "shard_map": "pmap over several devices makes it",
    "own_row": "derivatives of all_gather inside of the mapped function make it",
}

__all__ = ["DERIVED", "EXAMPLES", "INTERNAL", "Example"]
