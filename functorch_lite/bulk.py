"""What is done to many equations at once."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from functorch_lite.ir import Eqn, Graph, Lit
from functorch_lite.source import caller


class Paused:
    """No collection of garbage in this block, which makes many objects, no cycles, and runs no code of the user's.

    The collector would walk a large program again and again while it is being made.
    """

    __slots__ = ("was_on",)

    def __enter__(self) -> None:
        self.was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_) -> None:
        if self.was_on:
            gc.enable()


def renumbered(eqns: Sequence[Eqn], number: Sequence[int], shift: int) -> list[Eqn]:
    """Equations whose value `a` is called `number[a]` now, results by `shift` more than before."""
    made, new = [], tuple.__new__
    for prim, ins, params, outs in eqns:
        ins = tuple([a if type(a) is Lit else number[a] for a in ins])
        outs = (outs[0] + shift,) if len(outs) == 1 else tuple([o + shift for o in outs])
        made.append(new(Eqn, (prim, ins, params, outs)))
    return made


def origins(graph: Graph, sources: Sequence | None, outer) -> Sequence:
    """Where the equations come from: `outer` where it is given, else the caller; a derived graph holds indices into
    `sources`."""
    if sources is None:
        made = graph.sources if outer is None else [outer] * len(graph.sources)
    else:
        made = [sources[s] if type(s) is int else s if outer is None else outer for s in graph.sources]
    if any([s is None for s in made]):
        here = caller()
        made = [here if s is None else s for s in made]
    return made
