"""Lowerings of `prims.elementwise`."""

from __future__ import annotations

from functorch_lite.ir import Primitive
from functorch_lite.prims import elementwise as p
from functorch_lite.xla.module import lowering


def simple(prim: Primitive, name: str) -> None:
    """One StableHLO operation without attributes."""

    @lowering(prim)
    def rule(low, xs, in_types, out_types):
        return low.op(name, out_types[0], xs)


for _prim, _name in [
    (p.add_p, "add"),
    (p.neg_p, "negate"),
    (p.sub_p, "subtract"),
    (p.mul_p, "multiply"),
    (p.div_p, "divide"),
    (p.sin_p, "sine"),
    (p.cos_p, "cosine"),
    (p.exp_p, "exponential"),
    (p.log_p, "log"),
    (p.tanh_p, "tanh"),
]:
    simple(_prim, _name)


@lowering(p.convert_p)
def _convert(low, xs, in_types, out_types, *, dtype, weak):
    if in_types[0].dtype == dtype:
        return xs[0]
    return low.op("convert", out_types[0], xs)
