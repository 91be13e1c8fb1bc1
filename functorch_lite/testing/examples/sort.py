"""How the primitives of `prims/sort.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import example
from functorch_lite.testing.examples.reduce import apart


@example("sort")
def sort(b):
    x = b.operand("f", lambda v: v.ndim and v.size)
    axis = b.choices.integer(x.ndim - 1)
    b.emit("sort", f"fnp.sort({{0}}, axis={axis})", x, check=b.check(apart(axis)))


@example("sort", kinds="i")
def argsort(b):
    x = b.operand("f", lambda v: v.ndim and v.size)
    b.emit("sort", "fnp.argsort({0}, axis=-1).astype('int32')", x, check=b.check(apart(-1)))


@example("sort")
def sort_pairs(b):
    """Keys carry values with them."""
    x = b.operand("f", lambda v: v.ndim and v.size)
    b.emit_many("sort", "lax.sort_key_val({0}, {1})", x, b.alike(x), check=b.check(lambda x, y: apart(-1)(x)))


@example("top_k")
def top_k(b):
    x = b.operand("f", lambda v: v.ndim and v.shape[-1])
    k = 1 + b.choices.integer(x.shape[-1] - 1)
    b.emit("top_k", f"lax.top_k({{0}}, {k})[0]", x, check=b.check(apart(-1)))
