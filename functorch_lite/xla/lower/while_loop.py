"""Lowerings of `while_loop`, `record` and `replay`."""

from __future__ import annotations

from functorch_lite.control import record, replay
from functorch_lite.control.turns import While
from functorch_lite.control.while_loop import while_p
from functorch_lite.xla.module import lowering


@lowering(while_p)
def _while(low, xs, in_types, out_types, **params):
    loop = While(**params)
    if loop.lead:
        return low.body(record.plain(loop), list(xs))
    fixed, types = xs[: loop.consts], loop.carried
    effects = bool(loop.cond.effects or loop.body.effects)
    test = lambda *carried: low.body(loop.cond, [*fixed, *carried])
    turn = lambda *carried: low.body(loop.body, [*fixed, *carried])
    return low.loop(types, xs[loop.consts :], test, turn, effects)


@lowering(record.record_p)
def _record(low, xs, in_types, out_types, **params):
    return low.body(record.expanded(record.Record(**params)), list(xs))


@lowering(replay.replay_p)
def _replay(low, xs, in_types, out_types, **params):
    return low.body(replay.expansion(replay.Replay(**params), in_types), list(xs))
