"""`linear_solve`: the solution of a linear system, differentiated by the system and not by how it was solved.

Operands: constants, then the right side. Results: the solution, of the types of the right side, then whatever else the
solver tells. From A x = b follows A dx = db - dA x, another system with the same matrix; the transpose solves one with
the transposed matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control.rows import all_batched, mapped
from functorch_lite.control.together import lean, reached_together, rewired_together
from functorch_lite.ir import Eqn, Graph, Primitive, core, intern
from functorch_lite.prims.elementwise import neg, sub
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import zeros_like
from functorch_lite.silent import silenced
from functorch_lite.trace import at, bind, inline
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.depends import depends, union
from functorch_lite.transforms.reverse import simplified
from functorch_lite.transforms.simplify import simplify


class System(NamedTuple):
    """The parameters of `linear_solve`. All graphs take the constants first, of which there are `consts`.

    matvec: (constants, x) -> A x. solve: (constants, b) -> x, and more. vecmat, transpose_solve: the same for the
    transpose of A, or None.
    """

    matvec: Graph
    solve: Graph
    vecmat: Graph | None
    transpose_solve: Graph | None
    consts: int

    def params(self) -> dict:
        return dict(zip(self._fields, (*[g and intern(simplified(g)) for g in self[:4]], self.consts), strict=True))

    @property
    def size(self) -> int:
        """How many arrays the solution has."""
        return len(self.matvec.outs)

    @property
    def graphs(self) -> list[Graph]:
        return [g for g in self[:4] if g is not None]

    def with_graphs(self, graphs: Sequence[Graph], consts: int) -> System:
        it = iter(graphs)
        return System(next(it), next(it), self.vecmat and next(it), self.transpose_solve and next(it), consts)

    def transposed(self) -> System:
        assert self.vecmat is not None and self.transpose_solve is not None
        return System(self.vecmat, self.transpose_solve, self.matvec, self.solve, self.consts)

    def plain(self) -> System:
        """The system as a derivative solves it: nothing acts again, and the solver tells nothing but the solution."""
        quiet = [silenced(g) or g for g in self.graphs]
        only = [Graph(g.types, g.ins, g.eqns, g.outs[: self.size], g.sources) for g in quiet]
        return self.with_graphs(only, self.consts)


def linear_solve(system: System, operands: Sequence) -> list:
    """Solve a system as one equation; returns the list of its results."""
    return bind(linear_solve_p, *operands, **system.params())


def _infer(*types, **params):
    system = System(**params)
    for graph in system.graphs:
        assert core(graph.in_types) == core(types), (graph.in_types, types)
        assert core(graph.out_types[: system.size]) == core(types[system.consts :]), graph
    return [t.strong() for t in system.solve.out_types]


def _jvp(xs, ts, **params):
    system = System(**params)
    n, m = system.consts, system.size
    ys = linear_solve(system, xs)
    active = tuple([t is not None for t in ts[:n]])
    changes: list = [None] * m  # of A x, where A changes
    if any(active):
        new, mask = jvp_pass.jvp(system.matvec, (*active, *[False] * m))
        changes = spread(inline(simplify(new), [*xs[:n], *ys[:m], *pick(ts[:n], active)])[m:], mask)
    right = [_difference(t, change) for t, change in zip(ts[n:], changes, strict=True)]
    if all(t is None for t in right):
        return ys, [None] * len(ys)
    right = [zeros_like(x.type) if t is None else t for x, t in zip(xs[n:], right, strict=True)]
    return ys, [*linear_solve(system.plain(), [*xs[:n], *right]), *[None] * (len(ys) - m)]


def _difference(t, change):
    if change is None:
        return t
    return neg(change) if t is None else sub(t, change)


def _transpose(cts, *xs, **params):
    system = System(**params)
    n, m = system.consts, system.size
    if any(map(is_linear, xs[:n])) or any(ct is not None for ct in cts[m:]):
        raise TypeError(f"custom_linear_solve is linear in its right side only, at {at()}; it cannot be transposed in "
                        "its matrix, nor from what the solver returns beside the solution")  # fmt: skip
    if system.transpose_solve is None:
        raise TypeError(f"custom_linear_solve: reverse mode solves the transposed system, at {at()}; give "
                        "`transpose_solve=`, or `symmetric=True` if the matrix is its own transpose")  # fmt: skip
    right = [zeros_like(t) if ct is None else ct for ct, t in zip(cts[:m], system.matvec.out_types, strict=True)]
    made = linear_solve(system.plain().transposed(), [*xs[:n], *right])
    return [*[None] * n, *[ct if is_linear(x) else None for ct, x in zip(made, xs[n:], strict=True)]]


def _vmap(size, xs, batched, *, axis_name=None, **params):
    """Right sides and solutions have the same batched ones; what makes one of them batched does so for both."""
    system = System(**params)
    n, m = system.consts, system.size
    fixed, flags = tuple(batched[:n]), tuple(batched[n:])
    while True:
        masks = [vmap_pass.vmap(g, size, (*fixed, *flags), axis_name)[1] for g in system.graphs]
        more = tuple([any(column) for column in zip(flags, *[mask[:m] for mask in masks], strict=True)])
        if more == flags:
            break
        flags = more
    told = [mask[m:] for mask in masks]
    wide = [mapped(g, size, (*fixed, *flags), (*flags, *mask), axis_name)
            for g, mask in zip(system.graphs, told, strict=True)]  # fmt: skip
    right = all_batched(xs[n:], [b or not f for b, f in zip(batched[n:], flags, strict=True)], size)
    made = linear_solve(system.with_graphs(wide, n), [*xs[:n], *right])
    return made, (*flags, *told[system.graphs.index(system.solve)])


def _dce(eqn, live):
    """Without what nobody reads of what the solver tells, and without constants that no graph reads."""
    system = System(**dict(eqn.params))
    m = system.size
    kept = [k for k, keep in enumerate(live) if keep or k < m]
    solve = system.solve
    solve = Graph(solve.types, solve.ins, solve.eqns, tuple([solve.outs[k] for k in kept]), solve.sources)
    graphs, stay = lean(system._replace(solve=solve).graphs, system.consts)
    if len(kept) == len(live) and all(stay) and all([g.eqns == h.eqns for g, h in zip(graphs, system.graphs)]):
        return eqn
    fewer = system.with_graphs(graphs, sum(stay))
    operands = (*pick(eqn.ins[: system.consts], stay), *eqn.ins[system.consts :])
    return Eqn(linear_solve_p, operands, tuple(fewer.params().items()), tuple([eqn.outs[k] for k in kept]))


def _depends(smooth, **params):
    system = System(**params)
    n, m = system.consts, system.size
    every = (1 << n + m) - 1
    told = len(system.solve.outs) - m
    if not smooth:
        return [every] * (m + told)
    matrix = union(depends(system.matvec, True)) & (1 << n) - 1
    return [*[matrix | (every >> n << n)] * m, *[0] * told]


def _rewire(eqn, graphs, extras):
    system = System(**dict(eqn.params))
    wider, more = rewired_together(graphs, extras)
    made = system.with_graphs([intern(g) for g in wider], system.consts + len(more))
    return Eqn(linear_solve_p, (*more, *eqn.ins), tuple(made._asdict().items()), eqn.outs)


linear_solve_p = Primitive(
    "linear_solve",
    params=System._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    reaches=lambda mapping, mask, **params: reached_together(
        [g for g in System(**params)[:4] if g is not None], params["consts"], mask),
    rewire=_rewire,
)
