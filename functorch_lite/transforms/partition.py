"""Partial evaluation: split a graph into what known inputs decide, and the rest."""

from __future__ import annotations

from typing import NamedTuple

from functorch_lite.ir import Eqn, Graph, Lit, compact, eqn_effects
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
    """Split `graph` by which inputs are known; results marked in `late` are unknown whatever they depend on."""
    types, have = list(graph.types), set(pick(graph.ins, known))
    first, second = [], []  # (equation, index of its origin)
    pinned: set[str] = set()  # kinds of effect that an unknown equation had: the later ones stay behind it
    for k, eqn in enumerate(graph.eqns):
        ks = tuple([type(a) is Lit or a in have for a in eqn.ins])
        waits = pinned and not pinned.isdisjoint(eqn_effects(eqn))
        if all(ks) and not waits:
            first.append((eqn, k))
            have.update(eqn.outs)
        elif eqn.prim.partition is not None and any(ks) and not all(ks) and not waits:
            early, rest = map(_several, eqn.prim.partition(eqn, ks, types))
            first.extend([(made, k) for made in early])
            have.update([o for made in early for o in made.outs])
            second.extend([(made, k) for made in rest])
            pinned.update(*map(eqn_effects, rest))
        else:
            second.append((eqn, k))
            pinned.update(eqn_effects(eqn))
    late = late if late is not None else (False,) * len(graph.outs)
    out_known = tuple([o in have and not wait for o, wait in zip(graph.outs, late, strict=True)])
    outs = pick(graph.outs, out_known)
    late_outs = pick(graph.outs, out_known, False)
    used = [a for eqn, _ in second for a in eqn.ins if type(a) is int and a in have]
    used = list(dict.fromkeys(used + [o for o in late_outs if o in have]))
    position = {i: ~k for k, i in enumerate(pick(graph.ins, known))}
    fresh = list(dict.fromkeys([a for a in used if a not in position and a not in outs]))
    position.update([(o, k) for k, o in enumerate((*outs, *fresh)) if o not in position])
    ins_first, ins_second = pick(graph.ins, known), (*used, *pick(graph.ins, known, False))
    return Partition(
        _graph(types, ins_first, first, (*outs, *fresh)),
        _graph(types, ins_second, second, late_outs),
        out_known,
        tuple([position[a] for a in used]),
    )


def _several(made: Eqn | list[Eqn] | None) -> list[Eqn]:
    """What the rule of a primitive returned for one half: an equation, a list of them, or None."""
    return made if isinstance(made, list) else [] if made is None else [made]


def _graph(types, ins, pairs, outs) -> Graph:
    return compact(types, ins, [eqn for eqn, _ in pairs], outs, [k for _, k in pairs])
