"""How the primitives of `prims/effect.py`, `prims/naming.py` and `prims/progress.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import example, unary

unary("name", 'fl.ad_checkpoint.checkpoint_name({0}, "kept")')
unary("debug_callback", "(fl.debug.callback(lambda v: None, {0}), {0})[1]")


@example("pure_callback", smooth=False)
def pure_callback(b):
    x = b.operand("f")
    result = f"fl.ShapeDtypeStruct({x.shape}, '{x.dtype.name}')"
    text = f"fl.pure_callback(lambda v: v * v, {result}, lax.stop_gradient({{0}}), vmap_method='sequential')"
    b.emit("pure_callback", text, x)


@example("io_callback", jax=False, smooth=False)
def io_callback(b):
    x = b.operand("f")
    result = f"fl.ShapeDtypeStruct({x.shape}, '{x.dtype.name}')"
    b.emit("io_callback", f"fl.io_callback(lambda v: v + v, {result}, lax.stop_gradient({{0}}))", x)
