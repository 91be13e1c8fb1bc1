"""`root`: where a function is zero, differentiated by the function and not by how the zero was found.

Operands: constants, then a first guess. Results: the root, then whatever else the solver tells. From f(x, p) = 0
follows df/dx dx = -df/dp dp: the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control.rows import mapped
from functorch_lite.control.together import lean, reached_together, rewired_together
from functorch_lite.ir import Eqn, Graph, Primitive, core, intern
from functorch_lite.prims.elementwise import neg
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import bind, inline
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.depends import depends, union
from functorch_lite.transforms.reverse import simplified
from functorch_lite.transforms.simplify import simplify


class Problem(NamedTuple):
    """The parameters of `root`. All graphs take the constants first, of which there are `consts`.

    fun: (constants, x) -> f(x), of the types of x. solve: (constants, guess) -> x, and more. tangent: (constants, x, y)
    -> z such that df/dx z = y.
    """

    fun: Graph
    solve: Graph
    tangent: Graph
    consts: int

    def params(self) -> dict:
        return dict(zip(self._fields, (*[intern(simplified(g)) for g in self[:3]], self.consts), strict=True))

    @property
    def size(self) -> int:
        """How many arrays the root has."""
        return len(self.fun.outs)


def root(problem: Problem, operands: Sequence) -> list:
    """Find a root as one equation; returns the list of its results."""
    return bind(root_p, *operands, **problem.params())


def _infer(*types, **params):
    problem = Problem(**params)
    n, m = problem.consts, problem.size
    fixed, x = core(types[:n]), core(problem.solve.out_types[:m])
    assert core(problem.solve.in_types) == core(types), (problem.solve, types)
    assert core(problem.fun.in_types) == [*fixed, *x] and core(problem.fun.out_types) == x, problem.fun
    assert core(problem.tangent.in_types) == [*fixed, *x, *x], problem.tangent
    assert core(problem.tangent.out_types) == x, problem.tangent
    return [t.strong() for t in problem.solve.out_types]


def _jvp(xs, ts, **params):
    problem = Problem(**params)
    n, m = problem.consts, problem.size
    ys = root(problem, xs)
    active = tuple([t is not None for t in ts[:n]])
    new, mask = jvp_pass.jvp(problem.fun, (*active, *[False] * m))
    if not any(mask):
        return ys, [None] * len(ys)
    changes = spread(inline(simplify(new), [*xs[:n], *ys[:m], *pick(ts[:n], active)])[m:], mask)
    changes = [zeros_like(y.type) if t is None else t for t, y in zip(changes, ys[:m], strict=True)]
    found = inline(problem.tangent, [*xs[:n], *ys[:m], *changes])
    return ys, [*map(neg, found), *[None] * (len(ys) - m)]


def _vmap(size, xs, batched, *, axis_name=None, **params):
    """The root and what is solved for in derivatives have the same batched ones."""
    problem = Problem(**params)
    n, m = problem.consts, problem.size
    fixed = tuple(batched[:n])
    solved = vmap_pass.vmap(problem.solve, size, tuple(batched), axis_name)[1]
    flags, told = solved[:m], solved[m:]
    while True:
        masks = [vmap_pass.vmap(problem.fun, size, (*fixed, *flags), axis_name)[1],
                 vmap_pass.vmap(problem.tangent, size, (*fixed, *flags, *flags), axis_name)[1]]  # fmt: skip
        more = tuple([any(column) for column in zip(flags, *masks, strict=True)])
        if more == flags:
            break
        flags = more
    wide = Problem(
        mapped(problem.fun, size, (*fixed, *flags), flags, axis_name),
        mapped(problem.solve, size, tuple(batched), (*flags, *told), axis_name),
        mapped(problem.tangent, size, (*fixed, *flags, *flags), flags, axis_name), n)  # fmt: skip
    return root(wide, xs), (*flags, *told)


def _dce(eqn, live):
    """Without what nobody reads of what the solver tells, and without constants that no graph reads."""
    problem = Problem(**dict(eqn.params))
    n, m, solve = problem.consts, problem.size, problem.solve
    kept = [k for k, keep in enumerate(live) if keep or k < m]
    solve = Graph(solve.types, solve.ins, solve.eqns, tuple([solve.outs[k] for k in kept]), solve.sources)
    (fun, solve, tangent), stay = lean([problem.fun, solve, problem.tangent], n)
    fewer = Problem(fun, solve, tangent, sum(stay))
    if len(kept) == len(live) and all(stay) and all([g.eqns == h.eqns for g, h in zip(fewer[:3], problem[:3])]):
        return eqn
    operands = (*pick(eqn.ins[:n], stay), *eqn.ins[n:])
    return Eqn(root_p, operands, tuple(fewer.params().items()), tuple([eqn.outs[k] for k in kept]))


def _depends(smooth, **params):
    problem = Problem(**params)
    n, m, told = problem.consts, problem.size, len(problem.solve.outs) - problem.size
    if not smooth:
        return [(1 << len(problem.solve.ins)) - 1] * (m + told)
    return [*[union(depends(problem.fun, True)) & (1 << n) - 1] * m, *[0] * told]


def _rewire(eqn, graphs, extras):
    problem = Problem(**dict(eqn.params))
    wider, more = rewired_together(graphs, extras)
    fun, solve, tangent = map(intern, wider)
    made = Problem(fun, solve, tangent, problem.consts + len(more))
    return Eqn(root_p, (*more, *eqn.ins), tuple(made._asdict().items()), eqn.outs)


root_p = Primitive(
    "root",
    params=Problem._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    reaches=lambda mapping, mask, **params: reached_together(Problem(**params)[:3], params["consts"], mask),
    rewire=_rewire,
)
