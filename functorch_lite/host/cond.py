"""Host function of `cond`."""

from __future__ import annotations

from functorch_lite.control.cond import cond_p
from functorch_lite.host.execute import run_values
from functorch_lite.host.registry import host


@host(cond_p)
def _cond(in_types, out_types, *, branches):
    return lambda index, *values: run_values(branches[int(index)], values)
