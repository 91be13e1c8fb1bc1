"""Partial evaluation: split a graph into what known inputs decide, and the rest."""

from __future__ import annotations

from typing import NamedTuple

from functorch_lite.ir import Eqn, Graph, compact
from functorch_lite.transforms.common import pick, rewrite


class Partition(NamedTuple):
    """first: (known ins) -> (known outs..., new residuals...); second: (residuals..., unknown ins) -> (unknown outs).

    `residuals` says where each residual comes from: i >= 0, result i of `first`; ~i, the i-th known input, which the
    caller forwards, so that it is neither copied nor stacked.
    """

    first: Graph
    second: Graph
    known: tuple[bool, ...]  # which results of the graph are known
    residuals: tuple[int, ...]

    def forward(self, known_ins, results) -> list:
        """The residuals, given the known inputs and what `first` returned."""
        return [results[i] if i >= 0 else known_ins[~i] for i in self.residuals]


@rewrite
def partition(graph: Graph, known: tuple[bool, ...], late: tuple[bool, ...] | None = None) -> Partition:
    """Split `graph` by which inputs are known; results marked in `late` are unknown whatever they depend on.

    Effects keep their order within each half. What is known never waits for an effect of what is not: the results of a
    function are there before its tangents are.
    """
    types, unknown = list(graph.types), set(pick(graph.ins, known, False))
    first, second, first_from, second_from = [], [], [], []  # equations, and the indices of their origins
    for k, eqn in enumerate(graph.eqns):
        if unknown.isdisjoint(eqn.ins):
            first.append(eqn)
            first_from.append(k)
            continue
        ks, split = tuple([a not in unknown for a in eqn.ins]), eqn.prim.partition
        early, rest = map(_several, split(eqn, ks, types)) if split and any(ks) else ([], [eqn])
        first.extend(early)
        first_from.extend([k] * len(early))
        for made in rest:
            second.append(made)
            second_from.append(k)
            unknown.update(made.outs)
    late = late if late is not None else (False,) * len(graph.outs)
    out_known = tuple([o not in unknown and not wait for o, wait in zip(graph.outs, late, strict=True)])
    outs, late_outs = pick(graph.outs, out_known), pick(graph.outs, out_known, False)
    needs = [a for eqn in second for a in eqn.ins if type(a) is int and a not in unknown]
    used = list(dict.fromkeys(needs + [o for o in late_outs if o not in unknown]))
    position = {i: ~k for k, i in enumerate(pick(graph.ins, known))}
    for k, o in enumerate(outs):
        position.setdefault(o, k)
    fresh = [a for a in used if a not in position]
    position.update(zip(fresh, range(len(outs), len(outs) + len(fresh)), strict=True))
    ins_first, ins_second = pick(graph.ins, known), (*used, *pick(graph.ins, known, False))
    return Partition(
        compact(types, ins_first, first, (*outs, *fresh), first_from),
        compact(types, ins_second, second, late_outs, second_from),
        out_known,
        tuple([position[a] for a in used]),
    )


def _several(made: Eqn | list[Eqn] | None) -> list[Eqn]:
    """What the rule of a primitive returned for one half: an equation, a list of them, or None."""
    return made if isinstance(made, list) else [] if made is None else [made]
