"""One table of examples per file of primitives; `EXAMPLES` holds them all by the primitive's name."""

from functorch_lite.testing.examples import contract, control, elementwise, reduce, select, shape  # noqa: F401
from functorch_lite.testing.examples.record import EXAMPLES, Example

__all__ = ["EXAMPLES", "Example"]
