"""Host functions of primitives that hold graphs."""

from __future__ import annotations

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.control import call as p
from functorch_lite.control import custom
from functorch_lite.host.execute import run_values
from functorch_lite.host.registry import host


@host(p.call_p)
def _call(in_types, out_types, *, graph, name):
    """A jitted function inside an eager derivative runs compiled, as it does outside; under `disable_jit`, by NumPy."""

    def fun(*values):
        if config.jit_disabled:
            return run_values(graph, values)
        return backend.run_values(graph, values)

    return fun


@host(custom.custom_p)
def _custom(in_types, out_types, *, graph, rule, name):
    """A function with rules, computed: by NumPy, as it was not jitted."""
    return lambda *values: run_values(graph, values)


def _closed(in_types, out_types, *, graph, extras, **_):
    return lambda *values: run_values(graph, values[extras:])


for _prim in custom.CLOSED:
    host(_prim)(_closed)


@host(custom.pullback_p)
def _pullback(in_types, out_types, *, bwd, residuals, name):
    forward = custom.pushforward_of(bwd, residuals, name)
    return lambda *values: run_values(forward, values)
