"""A `while_loop` in two halves: a `record` of what depends on no unknown operand, and a `replay` of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control import replay as r
from functorch_lite.control.loops import rewired
from functorch_lite.control.record import Record, record, record_p
from functorch_lite.control.schedule import LEAST, default_slots
from functorch_lite.control.turns import While
from functorch_lite.ir import Eqn, Graph, compact
from functorch_lite.prims.linear import is_linear
from functorch_lite.silent import silenced
from functorch_lite.trace import at, inline
from functorch_lite.transforms.common import pick, rebuild, rewrite
from functorch_lite.transforms.depends import depends, grown, members, needed
from functorch_lite.transforms.partition import Partition, partition
from functorch_lite.transforms.simplify import dce


class Halves(NamedTuple):
    """Two loops that do what one did. `known` says which operands the first takes."""

    first: Record
    second: r.Replay
    known: tuple[bool, ...]
    consts: tuple[int, ...]  # the known operands that are constants of the second

    @property
    def carry(self) -> tuple[bool, ...]:
        """Which carried values are known."""
        n = len(self.known) - len(self.first.stored) - (len(self.second.values) - self.second.shared)
        return self.known[n:]

    def rest(self, operands: Sequence, results: Sequence) -> list:
        """The operands of the second, given those of the whole and the results of the first."""
        m = len(self.first.stored)
        given, unknown = pick(operands, self.known), pick(operands, self.known, False)
        return [*[given[k] for k in self.consts], *results[m + 2 :], *results[m : m + 2], *unknown]

    def equations(self, eqn: Eqn, types: list) -> tuple[Eqn | None, Eqn | None]:
        """The equation in two; new values are added to `types`."""
        done, left = pick(eqn.outs, self.carry), pick(eqn.outs, self.carry, False)
        outs = (*done, *_new(types, self.first.out_types[len(done) :]))
        early = Eqn(record_p, pick(eqn.ins, self.known), tuple(self.first.params().items()), outs)
        shared = _new(types, self.second.values[: self.second.shared])
        late = Eqn(r.replay_p, tuple(self.rest(eqn.ins, outs)), tuple(self.second.params().items()), (*shared, *left))
        return early, late if left else None

    def transpose(self, cts: Sequence, xs: Sequence) -> list:
        """Cotangents of the linear operands, which are those that are not known."""
        operands = self.rest(xs, record(self.first, pick(xs, self.known)))
        given = [*[None] * self.second.shared, *pick(cts, self.carry, False)]
        found = iter(r.transposed(self.second, given, operands)[len(operands) - len(self.second.values) :])
        made = [None if k else next(found) for k in self.known]
        return [ct if is_linear(x) else None for ct, x in zip(made, xs, strict=True)]


def _new(types: list, more: Sequence) -> tuple[int, ...]:
    start = len(types)
    types.extend(more)
    return tuple(range(start, len(types)))


def halves(loop: While, known: tuple[bool, ...]) -> Halves | None:
    """Split a loop by which operands are known; None where its length depends on the others."""
    return _halves(loop.body, loop, known)


@rewrite
def _halves(body: Graph, loop: While, known: tuple[bool, ...]) -> Halves | None:
    n, m = loop.consts, len(loop.carried)
    unknown = grown(depends(body), n, m, [not k for k in known])
    while True:
        known = tuple([not u for u in unknown])
        part = partition(body, known, unknown[n:])
        if part.known == known[n:]:
            break
        unknown = (*unknown[:n], *[not k for k in part.known])
    tested = depends(loop.cond)
    if members(unknown) & (tested[0] | tested.effects):
        return None
    return _split(loop, part, known)


def _split(loop: While, part: Partition, known: tuple[bool, ...]) -> Halves:
    first, n, m = part.first, sum(known[: loop.consts]), sum(known[loop.consts :])
    wanted = [first.outs[k] if k >= 0 else ~k for k in part.residuals]
    before = _again(first, wanted)  # what of the first half a turn of the second needs
    carry = _with_outs(first, first.outs[:m])
    stored = needed(depends(carry), n, m, [n + i in _used(before) for i in range(m)])
    step = _again(first, pick(first.outs[:m], stored))
    consts = [i for i in range(n) if i in _used(before) | _used(step)]
    ins = [*consts, *[n + i for i, s in enumerate(stored) if s]]
    step, before = [compact(g.types, ins, g.eqns, g.outs, g.sources) for g in (step, before)]
    shared, values = loop.consts - n, len(known) - n - m

    def linear(*args):
        given = args[len(ins) :]
        return [*given[:shared], *inline(part.second, [*inline(before, args[: len(ins)]), *given])]

    second = rebuild(linear, [*before.in_types, *part.second.in_types[len(wanted) :]], "while")
    assert len(second.outs) == values, (len(second.outs), values)
    cond = rewired(loop.cond, [k for k, x in enumerate(known) if x], [0])
    slots = loop.checkpoints or default_slots(pick(carry.in_types[n:], stored)) if any(stored) else LEAST
    rec = Record(cond, carry, n, stored, slots)
    return Halves(rec, r.Replay(step, second, len(consts), shared, False), known, tuple(consts))


def _with_outs(graph: Graph, outs: Sequence[int]) -> Graph:
    return Graph(graph.types, graph.ins, graph.eqns, tuple(outs), graph.sources)


def _again(graph: Graph, outs: Sequence[int]) -> Graph:
    """What computes these values once more, without acting once more."""
    quiet = silenced(_with_outs(graph, outs))
    if quiet is None:
        raise TypeError(f"reverse mode runs the body of `while_loop` once more, at {at()}, but cannot call a callback "
                        "twice, whose result it needs; use `scan`, or `stop_gradient` of that result")  # fmt: skip
    return dce(quiet)


def _used(graph: Graph) -> set[int]:
    return {a for eqn in graph.eqns for a in eqn.ins} | set(graph.outs)
