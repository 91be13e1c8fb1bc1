"""Host functions of `while_loop`, `record` and `replay`: Python loops over the turns."""

from __future__ import annotations

import math

from functorch_lite.control import record as rec
from functorch_lite.control import replay as rep
from functorch_lite.control.turns import While
from functorch_lite.control.while_loop import while_p
from functorch_lite.host.execute import plan, run_values
from functorch_lite.host.registry import host
from functorch_lite.host.scan import LONG, again, equations


@host(while_p)
def _while(in_types, out_types, **params):
    loop = While(**params)
    if loop.lead:
        graph = rec.plain(loop)
        return lambda *values: run_values(graph, values)
    n, test, turn = loop.consts, plan(loop.cond), plan(loop.body)
    size, work = equations(loop.body) + equations(loop.cond), 0

    def python(*values):
        nonlocal work
        fixed, carried, turns = list(values[:n]), list(values[n:]), 0
        while test([*fixed, *carried])[0]:
            carried = turn([*fixed, *carried])
            turns += 1
        work = turns * size
        return carried

    compiled = again(math.inf, while_p, in_types, out_types, params, python)
    return lambda *values: python(*values) if 0 < work <= LONG else compiled(*values)


@host(rec.record_p)
def _record(in_types, out_types, **params):
    graph = rec.expanded(rec.Record(**params))
    return lambda *values: run_values(graph, values)


@host(rep.replay_p)
def _replay(in_types, out_types, **params):
    graph = rep.expansion(rep.Replay(**params), in_types)
    return lambda *values: run_values(graph, values)
