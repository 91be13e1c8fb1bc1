"""The host function of `linear_call`."""

from __future__ import annotations

from functorch_lite.control.linear_call import linear_call_p
from functorch_lite.host.execute import plan
from functorch_lite.host.registry import host


@host(linear_call_p)
def _linear_call(in_types, out_types, *, fun, **_):
    return lambda *values: plan(fun)(values)
