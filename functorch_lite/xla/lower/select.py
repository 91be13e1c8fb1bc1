"""Lowerings of `prims.select`."""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.ir import Primitive
from functorch_lite.prims import select as p
from functorch_lite.xla.lower.elementwise import after, compare, simple
from functorch_lite.xla.module import lowering

simple(p.add_p, "add")
simple(p.and_p, "and")
simple(p.or_p, "or")
simple(p.xor_p, "xor")
simple(p.not_p, "not")
simple(p.select_p, "select")


def _comparison(prim: Primitive, direction: str) -> None:
    @lowering(prim)
    def rule(low, xs, in_types, out_types):
        x, y = xs
        if dtypes.is_complex(in_types[0].dtype) and direction not in ("EQ", "NE"):
            x, y = (y, x) if direction[0] == "L" else (x, y)
            return after(low, x, y, in_types[0], or_equal=direction[1] == "E")
        return compare(low, direction, x, y, in_types[0])


for _prim in (p.eq_p, p.ne_p, p.lt_p, p.le_p, p.gt_p, p.ge_p):
    _comparison(_prim, _prim.name.upper())
