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

__all__ = ["EXAMPLES", "Example"]
