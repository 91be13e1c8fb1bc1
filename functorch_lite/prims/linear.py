"""What rules of all families share: the placeholder of a wanted operand, and small helpers for `vmap` rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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


class Deferred(NamedTuple):
    """What a transpose rule may return for a cotangent that is zero but for a part: the part alone.

    `combine(parts, type, total)` makes the cotangent of this type of all the parts with the same `combine`, and adds
    `total` to it, which may be None. So many small parts of one array are put together once, and not each with zeros
    around it.
    """

    combine: Callable
    part: Any


def settle(deferred: Sequence[Deferred], type_: ArrayType, total: Any) -> Any:
    """The cotangent that the deferred parts and `total` (or None) add up to."""
    groups: dict[Callable, list] = {}
    for combine, part in deferred:
        groups.setdefault(combine, []).append(part)
    for combine, parts in groups.items():
        total = combine(parts, type_, total)
    return total


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an operand of a rule: a tracer, a `Linear`, or a scalar literal."""
    return () if type(x) in SCALARS else typeof(x).shape


def unary(prim: Primitive):
    """The function that applies a primitive of one operand and no parameters."""

    def op(x):
        return bind(prim, x)

    op.__name__ = op.__qualname__ = prim.name
    return op
