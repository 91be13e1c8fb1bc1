"""How the primitives of `prims/slicing.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import example


@example("slice")
def cut(b):
    x = b.operand("ficb", lambda v: v.ndim and v.shape[0] > 1)
    b.emit("slice", f"{{0}}[{b.among('1:', ':-1', '::2', '1:2')}]", x)


@example("concatenate")
def join(b):
    x = b.operand("f", lambda v: v.ndim)
    y = b.operand("f", lambda v: v.ndim == x.ndim and v.shape[1:] == x.shape[1:])
    b.emit("concatenate", "fnp.concatenate([{0}, {1}])", x, y)


@example("concatenate")
def stack(b):
    x = b.operand("f", lambda v: v.ndim < 3)
    axis = b.among(0, -1)
    b.emit("concatenate", f"fnp.stack([{{0}}, {{1}}], axis={axis})", x, b.alike(x))


@example("pad")
def pad(b):
    x = b.operand("f", lambda v: v.ndim)
    widths = [b.among((1, 0), (0, 2), (-1, 1), (1, 1)) + (b.choices.integer(1),) for _ in x.shape]
    b.emit("pad", f'lax.pad({{0}}, fnp.array({b.scalar()}, "{b.plan.dtype}"), {widths})', x)
