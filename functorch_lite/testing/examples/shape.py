"""How the primitives of `prims/shape.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import example
from functorch_lite.testing.examples.reduce import some_axis


@example("reduce_sum")
def reduce_sum(b):
    x, axis = some_axis(b, "fic")
    text = "fnp.sum({0}, axis=%s, keepdims=True)" if b.choices.chance(3) else "fnp.sum({0}, axis=%s)"
    b.emit("reduce_sum", text % axis, x)


@example("broadcast")
def broadcast(b):
    x = b.operand("ficb", lambda v: v.size <= 16 and v.ndim < 3)
    b.emit("broadcast", f"fnp.broadcast_to({{0}}, {(2 + b.choices.integer(1), *x.shape)})", x)


@example("reshape")
def reshape(b):
    x = b.operand("ficb", lambda v: v.ndim)
    first = x.shape[0]
    shape = b.among((-1,), (first, -1), (1, -1), (-1, first)) if x.size else (0,)
    b.emit("reshape", f"{{0}}.reshape({shape})", x)


@example("transpose")
def transpose(b):
    x = b.operand("ficb", lambda v: v.ndim > 1)
    if b.choices.chance(2):
        b.emit("transpose", "{0}.T", x)
    else:
        order = list(range(x.ndim))
        order.insert(b.choices.integer(x.ndim - 1), order.pop())
        b.emit("transpose", f"fnp.transpose({{0}}, {tuple(order)})", x)


@example("rev")
def rev(b):
    x = b.operand("ficb", lambda v: v.ndim)
    b.emit("rev", f"fnp.flip({{0}}, {b.choices.integer(x.ndim - 1)})", x)


@example("full")
def full(b):
    x = b.operand("f")
    b.emit("full", f"{{0}} + fnp.full({x.shape}, {b.scalar()}, {b.plan.dtype!r})", x)


@example("iota")
def iota(b):
    x = b.operand("f", lambda v: v.ndim)
    b.emit("iota", f"{{0}} * fnp.arange({x.shape[-1]}, dtype={b.plan.dtype!r})", x)
