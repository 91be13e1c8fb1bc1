"""What rules of all families share: the placeholder of a wanted operand, and small helpers for `vmap` rules."""

from __future__ import annotations

from typing import Any

from functorch_lite.ir import ArrayType, Primitive
from functorch_lite.trace import SCALARS, bind, typeof


class Linear:
    """In a transpose rule, stands for the operand whose cotangent is wanted."""

    __slots__ = ("type",)

    def __init__(self, type_: ArrayType):
        self.type = type_

    shape = property(lambda self: self.type.shape)
    dtype = property(lambda self: self.type.dtype)
    ndim = property(lambda self: self.type.ndim)


def is_linear(x: Any) -> bool:
    return type(x) is Linear


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an operand of a rule: a tracer, a `Linear`, or a scalar literal."""
    return () if type(x) in SCALARS else typeof(x).shape


def unary(prim: Primitive):
    """The function that applies a primitive of one operand and no parameters."""

    def op(x):
        return bind(prim, x)

    op.__name__ = op.__qualname__ = prim.name
    return op


def binary(prim: Primitive):
    """The function that applies a primitive of two operands and no parameters."""

    def op(x, y):
        return bind(prim, x, y)

    op.__name__ = op.__qualname__ = prim.name
    return op
