"""The host function of `root`: it runs the solver."""

from __future__ import annotations

from functorch_lite.control.root import root_p
from functorch_lite.host.execute import plan
from functorch_lite.host.registry import host


@host(root_p)
def _root(in_types, out_types, *, solve, **_):
    return lambda *values: plan(solve)(values)
