"""How the primitives of `prims/reduce.py` stand in drawn programs."""

import numpy as np

from functorch_lite.testing.examples.record import example


def some_axis(b, kinds="f"):
    """A value with axes, and source of one of them, or of none."""
    x = b.operand(kinds, lambda v: v.ndim and v.size)
    return x, b.choices.among([*range(-x.ndim, 0), None])


def apart(axis):
    """How far the two largest, and the two smallest, along an axis are from each other."""

    def gap(x):
        x = np.sort(x.reshape(-1) if axis is None else x, axis=-1 if axis is None else axis)
        return np.diff(x, axis=-1 if axis is None else axis)

    return gap


@example("reduce_max")
def reduce_max(b):
    x, axis = some_axis(b)
    b.emit("reduce_max", f"fnp.max({{0}}, axis={axis})", x, check=b.check(apart(axis)))


@example("reduce_min")
def reduce_min(b):
    x, axis = some_axis(b)
    b.emit("reduce_min", f"fnp.min({{0}}, axis={axis}, keepdims=True)", x, check=b.check(apart(axis)))


@example("reduce_prod")
def reduce_prod(b):
    x, axis = some_axis(b)
    b.emit("reduce_prod", f"fnp.prod({{0}}, axis={axis})", b.into(x, -2.0, 2.0))


for _name, _text in [("argmax", "fnp.argmax"), ("argmin", "fnp.argmin")]:

    @example(_name, kinds="i")
    def position(b, name=_name, text=_text):
        x, axis = some_axis(b)
        b.emit(name, f"{text}({{0}}, axis={axis}).astype('int32')", x, check=b.check(apart(axis)))


for _name, _text in [("reduce_and", "fnp.all"), ("reduce_or", "fnp.any")]:

    @example(_name, kinds="b")
    def whether(b, name=_name, text=_text):
        x, axis = some_axis(b, "b")
        b.emit(name, f"{text}({{0}}, axis={axis})", x)


@example("reduce_xor", kinds="b")
def parity(b):
    x = b.operand("bi", lambda v: v.ndim)
    b.emit("reduce_xor", "lax.reduce_xor({0}, axes=(0,))", x)
