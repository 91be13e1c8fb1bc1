"""What the loops that run until a predicate fails share: their parameters, and what the transforms make of these.

The predicate may have axes: then so many loops run side by side, one per element of it, and these axes lead those of
every carried value. Such rows stop each at its own time. One that has stopped stays at its result, while its body goes
on being computed on the last operands on which it ran (see `record.expanded`): nothing is ever computed of a state
that has left the loop. Rows that never start are like one that does (see `started`), and are put right afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from functorch_lite.control.loops import rewired
from functorch_lite.control.rows import first_of, like_row, mapped
from functorch_lite.control.tangents import beside, pushed
from functorch_lite.control.together import together
from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import PRIMITIVES, ArrayType, Graph, agree, compact, core, intern
from functorch_lite.prims.reduce import reduce_or
from functorch_lite.trace import bind, inline, trace, typeof
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick
from functorch_lite.transforms.depends import depends, grown, needed
from functorch_lite.transforms.simplify import dce, simplify


class While(NamedTuple):
    """The parameters of `while_loop`.

    Both graphs take the constants and the carried values. consts: how many of the inputs are constants. checkpoints:
    how many turns reverse mode keeps at a time; None: chosen by their size.
    """

    cond: Graph
    body: Graph
    consts: int
    checkpoints: int | None = None

    def params(self) -> dict:
        return self._replace(cond=intern(simplify(self.cond)), body=intern(simplify(self.body)))._asdict()

    @property
    def lead(self) -> tuple[int, ...]:
        """The axes of the predicate."""
        return self.cond.out_types[0].shape

    @property
    def carried(self) -> list[ArrayType]:
        return self.body.in_types[self.consts :]


def while_loop(loop: While, operands: Sequence) -> list:
    """Apply a loop as one equation; returns the list of its results. What its body returns as it came is a constant."""
    if any_varies(operands, loop.body, loop.cond):
        body, cond = fitted([loop.body, loop.cond], operands, loop.consts, len(loop.body.outs))
        loop = loop._replace(cond=cond, body=body)
    body, n = simplify(loop.body), loop.consts
    fixed = [k for k, o in enumerate(body.outs) if o == n + k]
    if not fixed:
        return bind(PRIMITIVES["while_loop"], *operands, **loop.params())
    moving = [k for k in range(len(body.outs)) if k not in fixed]
    order = [*range(n), *[n + k for k in fixed], *[n + k for k in moving]]
    lean = loop._replace(cond=rewired(loop.cond, order, [0]), body=rewired(body, order, moving), consts=n + len(fixed))
    made = iter(bind(PRIMITIVES["while_loop"], *[operands[i] for i in order], **lean.params()))
    return [operands[n + k] if k in fixed else next(made) for k in range(len(body.outs))]


def loop_while(test: Callable, turn: Callable, start: Sequence) -> list:
    """A loop written as functions of the carried values, which may capture values of the frame being traced."""
    types = [typeof(x) for x in start]
    parts = [trace(lambda *xs: [test(*xs)], types, transform="while"), trace(turn, types, transform="while")]
    (cond, body), captured = together(parts)
    return while_loop(While(cond, body, len(captured)), [*captured, *start])


def check_types(loop: While, types: Sequence[ArrayType]) -> None:
    """Assert that the graphs of a loop fit its operands and one another."""
    agree(loop.body.in_types, types)
    assert core(types) == core(loop.cond.in_types), (types, loop)
    assert core(loop.body.out_types) == core(loop.carried), loop.body
    assert all([t.shape[: len(loop.lead)] == loop.lead for t in loop.carried]), loop.body


# ---- in forward mode, over many rows, without what is not needed ----


def with_tangents(loop: While, active: Sequence[bool]) -> tuple[While, tuple[bool, ...]]:
    """The loop in forward mode, and which of its operands have a tangent then."""
    n, m = loop.consts, len(loop.carried)
    mask = grown(depends(loop.body, True), n, m, active)
    body = pushed(loop.body, mask, (n, m), mask[n:], (m,))
    cond = beside(loop.cond, mask, (n, m))
    return loop._replace(cond=cond, body=body, consts=n + sum(mask[:n])), mask


def batched_carry(loop: While, size: int, batched: Sequence[bool], axis: str | None) -> tuple[tuple[bool, ...], bool]:
    """Which operands of a loop are batched, once the carried values stay so; and whether rows stop each for itself."""
    n, m = loop.consts, len(loop.carried)
    mask = vmap_pass.kept_batched(loop.body, size, n, m, batched, axis)
    _, (ragged,) = vmap_pass.vmap(loop.cond, size, mask, axis)
    if ragged or (loop.lead and any(mask)):
        return (*mask[:n], *[True] * m), True
    return mask, False


def mapped_loop(loop: While, size: int, mask: tuple[bool, ...], ragged: bool, axis: str | None) -> While:
    """The loop over all rows at once."""
    cond = mapped(loop.cond, size, mask, (ragged,), axis)
    body = mapped(loop.body, size, mask, mask[loop.consts :], axis)
    return loop._replace(cond=cond, body=body)


def started(loop: While, xs: Sequence, mask: Sequence[bool]) -> tuple[object, list]:
    """Which rows of a mapped loop run at all; and its operands, where the rows that do not are like one that does."""
    runs = inline(loop.cond, xs)[0]
    runs = reduce_or(runs, range(1, typeof(runs).ndim))
    k = first_of(runs)
    return runs, [like_row(x, runs, k) if b else x for x, b in zip(xs, mask, strict=True)]


def kept_carry(loop: While, live: Sequence[bool]) -> tuple[bool, ...]:
    """Which carried values are needed: by those that are live, the predicate, and effects."""
    n, m = loop.consts, len(loop.carried)
    tests, reads = depends(loop.cond), depends(loop.body)
    always = tests[0] | tests.effects | reads.effects
    return needed(reads, n, m, [x or bool(always >> (n + i) & 1) for i, x in enumerate(live)])


def without(loop: While, kept: Sequence[bool]) -> tuple[tuple[bool, ...], While]:
    """The loop with the kept carried values only; and which of its operands it still takes."""
    n, m = loop.consts, len(loop.carried)
    body = dce(rewired(loop.body, range(n + m), [k for k, keep in enumerate(kept) if keep]))
    cond = dce(loop.cond)
    used = {a for g in (cond, body) for e in g.eqns for a in e.ins} | {*body.outs, *cond.outs}
    stay = (*[i in used for i in range(n)], *kept)
    lean = [compact(g.types, pick(g.ins, stay), g.eqns, g.outs, g.sources) for g in (cond, body)]
    return stay, loop._replace(cond=lean[0], body=lean[1], consts=sum(stay[:n]))


def rewired_loop(loop: While, graphs: Sequence[Graph], extras: Sequence[Sequence]) -> While:
    (cond, body), (a, b) = graphs, map(len, extras)
    first, second = cond.in_types[:a], body.in_types[:b]
    cond = rewired(cond, [*range(a), *second, *range(a, len(cond.ins))], [0])
    body = rewired(body, [*first, *range(b), *range(b, len(body.ins))], range(len(body.outs)))
    return loop._replace(cond=cond, body=body, consts=loop.consts + a + b)
