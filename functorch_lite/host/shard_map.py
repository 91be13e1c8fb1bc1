"""The host function of `control.shard_map`."""

from __future__ import annotations

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.control import shard_map as p
from functorch_lite.host.execute import run_values
from functorch_lite.host.registry import host
from functorch_lite.ir import Eqn, Graph


@host(p.shard_map_p)
def _shard_map(in_types, out_types, **params):
    """Devices run compiled code; under `disable_jit` the parts are rows, computed by NumPy."""
    n, outs = len(in_types), tuple(range(len(in_types), len(in_types) + len(out_types)))
    eqn = Eqn(p.shard_map_p, tuple(range(n)), tuple(params.items()), outs)
    whole = Graph((*in_types, *out_types), tuple(range(n)), (eqn,), outs, (None,))
    alone = p.on_one(*[params[k] for k in ("graph", "axis", "count", "ins", "outs")])
    return lambda *values: run_values(alone, values) if config.jit_disabled else backend.run_values(whole, values)
