"""Host functions of primitives that hold graphs."""

from __future__ import annotations

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.control import call as p
from functorch_lite.host.execute import run_values
from functorch_lite.host.registry import host


@host(p.call_p)
def _call(in_types, out_types, *, graph, name):
    """A jitted function inside an eager derivative runs compiled, as it would outside; under `disable_jit`, by NumPy."""

    def fun(*values):
        if config.jit_disabled:
            return run_values(graph, values)
        return backend.run_values(graph, values)

    return fun
