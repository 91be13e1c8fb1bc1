"""The lowering of `linear_solve`: it calls the solver."""

from __future__ import annotations

from functorch_lite.control.linear_solve import linear_solve_p
from functorch_lite.xla.module import lowering


@lowering(linear_solve_p)
def _linear_solve(low, xs, in_types, out_types, *, solve, **_):
    return low.apply(solve, xs, "solve")
