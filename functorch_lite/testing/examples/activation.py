"""How the primitives of `prims/activation.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import add, unary
from functorch_lite.testing.examples.reduce import some_axis

unary("relu", "fl.nn.relu({0})", away=lambda x: x)
unary("softplus", "fl.nn.softplus({0})")


def softmax(b):
    x, axis = some_axis(b)
    b.emit("softmax", f"fl.nn.softmax({{0}}, axis={-1 if axis is None else axis})", x)


add("softmax", softmax)
