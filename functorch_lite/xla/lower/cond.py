"""Lowering of `cond`."""

from __future__ import annotations

from functorch_lite.control.cond import cond_p
from functorch_lite.xla.module import lowering


@lowering(cond_p)
def _cond(low, xs, in_types, out_types, *, branches):
    bodies = [lambda branch=branch: low.apply(branch, xs[1:], "branch") for branch in branches]
    return low.choose(out_types, xs[0], bodies, any(b.effects for b in branches))
