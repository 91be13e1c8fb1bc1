"""How the primitives of `prims/contract.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import example


def meets(x, y):
    """Whether `x @ y` exists and stays small."""
    if y.ndim < 2:
        return y.ndim == 1 and y.shape[0] == x.shape[-1]
    return y.shape[-2] == x.shape[-1] and (y.ndim == 2 or x.ndim < 3)


@example("dot")
def matmul(b):
    x = b.operand("fc", lambda v: v.ndim)
    y = b.operand(x.kind, lambda v: meets(x, v))
    b.emit("dot", "{0} @ {1}", x, y)


@example("dot")
def matrix(b):
    """The product with a constant matrix, or with the operand itself."""
    x = b.operand("fc", lambda v: v.ndim)
    if b.choices.chance(2):
        b.emit("dot", "{0} @ {1}", x, b.constant((x.shape[-1], 1 + b.choices.integer(2)), x.kind))
    else:
        b.emit("dot", "fnp.tensordot({0}, {0}, axes=([-1], [-1]))" if x.ndim < 3 else "fnp.vdot({0}, {0})", x)


@example("dot")
def outer(b):
    x, y = (b.operand("f", lambda v: v.ndim == 1) for _ in range(2))
    b.emit("dot", "fnp.einsum('i,j->ij', {0}, {1})", x, y)
