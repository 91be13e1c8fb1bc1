"""The host function of `linear_solve`: it runs the solver."""

from __future__ import annotations

from functorch_lite.control.linear_solve import linear_solve_p
from functorch_lite.host.execute import plan
from functorch_lite.host.registry import host


@host(linear_solve_p)
def _linear_solve(in_types, out_types, *, solve, **_):
    return lambda *values: plan(solve)(values)
