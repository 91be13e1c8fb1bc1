"""Lowerings of `while_loop`, `record` and `replay`."""

from __future__ import annotations

from functorch_lite.control import record, replay
from functorch_lite.control.counted import NUMBER, told, untold
from functorch_lite.control.turns import While
from functorch_lite.control.while_loop import while_p
from functorch_lite.ir import Lit
from functorch_lite.xla.lower.progress import FLAG, compare, distance, tell
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
    if _tells(loop):
        return _telling(low, xs, loop)
    return low.loop(types, xs[loop.consts :], test, turn, effects)


def _tells(loop) -> bool:
    """Whether the predicate tells how many turns are done, which is carried, and what it returns."""
    said = told(loop.cond, loop.consts)
    return said is not None and loop.consts <= said[1] < len(loop.cond.ins) and said[3] == loop.cond.outs[0]


def _telling(low, xs, loop):
    """A loop over the stretches of turns between two calls of the display: see `lower.progress`."""
    fixed, types = xs[: loop.consts], loop.carried
    said = told(loop.cond, loop.consts)
    assert said is not None
    handle, done, total, _ = said
    handle, place = fixed[handle], done - loop.consts
    total = low.constant(total.value, NUMBER) if type(total) is Lit else fixed[total]
    cond = untold(loop.cond)
    test = lambda *values: low.body(cond, [*fixed, *values])
    turn = lambda *values: low.body(loop.body, [*fixed, *values])

    def stretch(*values):
        before = values[place]
        tell(low, [handle, before, total, low.constant(True, FLAG)])
        end = low.op("add", NUMBER, [before, distance(low, before, total)])
        within = lambda *values: [low.op("and", FLAG, [compare(low, "LT", values[place], end), *test(*values)])]
        return low.loop(types, values, within, turn, bool(cond.effects or loop.body.effects))

    made = low.loop(types, xs[loop.consts :], test, stretch, True)
    tell(low, [handle, made[place], total, low.constant(False, FLAG)])
    return made


@lowering(record.record_p)
def _record(low, xs, in_types, out_types, **params):
    return low.body(record.expanded(record.Record(**params)), list(xs))


@lowering(replay.replay_p)
def _replay(low, xs, in_types, out_types, **params):
    return low.body(replay.expansion(replay.Replay(**params), in_types), list(xs))
