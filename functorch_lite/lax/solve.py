"""`lax`: solutions that are differentiated by what they solve: `custom_linear_solve` and `custom_root`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.api.forward import linearize
from functorch_lite.array import asarray
from functorch_lite.control.linear_solve import System, linear_solve
from functorch_lite.control.loops import CHEAP, cheaply, split_at
from functorch_lite.control.root import Problem, root
from functorch_lite.control.together import together
from functorch_lite.ir import Graph, Lit, compact, eqn_effects
from functorch_lite.lax.carry import joined, operands, path_of, results, run_of, without_rules
from functorch_lite.prims.elementwise import convert, stop_gradient
from functorch_lite.prims.shape import zeros_like
from functorch_lite.silent import silenced
from functorch_lite.trace import Traced, at, current_frame, inline, run, trace, typeof
from functorch_lite.transforms.common import rebuild, rewrite
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.transpose import transpose

__all__ = ["custom_linear_solve", "custom_root"]


def custom_linear_solve(
    matvec: Callable,
    b: Any,
    solve: Callable,
    transpose_solve: Callable | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """solve(matvec, b), with the derivatives of the x for which matvec(x) == b, however it was found.

    b: a tree of floats. matvec: linear, of trees like `b`; differentiated in what it closes over. solve(matvec, b)
    returns x, a tree like `b`; it is traced with types only, and never differentiated: loops, callbacks and
    factorizations may stand in it. What it computes of closed-over values alone, such as a factorization, is computed
    once and serves the derivatives too. transpose_solve(vecmat, y) solves the transposed system, which reverse mode
    needs; `symmetric`: matvec is its own transpose (of complex matrices: not conjugated), and `solve` serves for both.
    With `has_aux` both return (x, aux), and so does this; aux has no derivative.
    Raises TypeError where trees, dtypes or linearity do not fit, ValueError where shapes do not.
    """
    what = "custom_linear_solve"
    for fun in (matvec, solve) if transpose_solve is None else (matvec, solve, transpose_solve):
        check_callable(what, fun)
    like = _Like(what, "b", b)
    checked = like.checked(matvec, "matvec")
    while True:
        applied = trace(like.flat(checked), like.types, transform=what, name=name_of(matvec))
        given = like.flat(lambda x: solve(checked, x), has_aux)
        solved = trace(given, like.types, transform=what, name=name_of(solve))
        if not (like.grown(applied, "matvec") | like.grown(solved, "solve")):
            break
    transpose_solve = solve if transpose_solve is None and symmetric else transpose_solve
    parts = [_quiet(applied), _factored(solved)]
    if transpose_solve is not None:
        back = parts[0] if symmetric else Traced(_transposed(parts[0].graph, like.count), parts[0].captured)
        reverse = like.checked(matvec, "matvec") if symmetric else _function(back, like)
        given = like.flat(lambda x: transpose_solve(reverse, x), has_aux)
        undone = trace(given, like.types, transform=what, name=name_of(transpose_solve))
        like.grown(undone, "transpose_solve", exactly=True)
        undone = undone._replace(graph=_part(undone.graph, undone.graph.ins, None, undone.graph.outs[: like.count]))
        parts += [back, _factored(undone)]
    graphs, captured = together(parts)
    there, solved, *undo = [like.converted(g) for g in graphs]
    vecmat, transposed = undo if undo else (None, None)
    system = System(there, solved, vecmat, transposed, len(captured))
    right = [x if x.type is t else convert(x, t.dtype, t.weak) for x, t in zip(like.leaves, like.types, strict=True)]
    with run_of(solve):
        made = linear_solve(system, [*captured, *right])
    x = like.structure.unflatten(made[: like.count])
    return (x, like.aux.unflatten(made[like.count :])) if has_aux else x


def custom_root(
    f: Callable, initial_guess: Any, solve: Callable, tangent_solve: Callable, has_aux: bool = False
) -> Any:
    """solve(f, initial_guess), with the derivatives of the x for which f(x) == 0, however it was found.

    initial_guess: a tree of floats, which has no influence on derivatives. f: takes and returns trees like it; it is
    differentiated in what it closes over. solve(f, initial_guess) returns x, a tree like the guess; it is never
    differentiated, and may use Python's own control flow and NumPy where values are known, outside of `jit` and `vmap`.
    tangent_solve(g, y) returns the z for which g(z) == y, where g is f linearized at x; reverse mode transposes it, so
    it is made of what has a transpose: y / g(1.0) of numbers, else `custom_linear_solve` or a dense solver. With
    `has_aux`, `solve` returns (x, aux), and so does this; aux has no derivative.
    Raises TypeError where trees or dtypes do not fit, ValueError where shapes do not.
    """
    what = "custom_root"
    for fun in (f, solve, tangent_solve):
        check_callable(what, fun)
    like = _Like(what, "initial_guess", initial_guess)
    given = like.flat(lambda x: solve(f, x), has_aux)
    frame = current_frame()
    if frame is None:
        made = [asarray(x) for x in given(*like.leaves)]
        like.same_shapes([x.type for x in made], "solve")
    else:
        made = root(*_problem(like, given, f, solve, tangent_solve))
    x = like.structure.unflatten(made[: like.count])
    return (x, like.aux.unflatten(made[like.count :])) if has_aux else x


def _problem(
    like: _Like, given: Callable, f: Callable, solve: Callable, tangent_solve: Callable
) -> tuple[Problem, list]:
    """The problem and its operands. The root has the types that `solve` returns."""
    what, n = "custom_root", like.count
    start = [x.type for x in like.leaves]
    solved = trace(given, start, like.leaves, transform=what, name=name_of(solve), concrete=True)
    like.same_shapes(solved.graph.out_types, "solve")
    like.types = [t.strong() for t in solved.graph.out_types[:n]]
    fun = _quiet(trace(like.flat(f, of="f"), like.types, transform=what, name=name_of(f)))
    like.same_shapes(fun.graph.out_types, "f")
    fun = Traced(like.converted(fun.graph), fun.captured)

    def tangent(*args):
        g = linearize(_function(fun, like), like.structure.unflatten(args[:n]))[1]
        return like.flat(lambda y: tangent_solve(g, y), of="tangent_solve")(*args[n:])

    linear = trace(tangent, [*like.types, *like.types], transform=what, name=name_of(tangent_solve))
    like.same_shapes(linear.graph.out_types, "tangent_solve")
    parts = [fun, solved, Traced(like.converted(linear.graph), linear.captured)]
    (equation, solver, slope), captured = together(parts)
    return Problem(equation, solver, slope, len(captured)), [*captured, *like.leaves]


class _Like:
    """The tree that all functions of one call take and return, the types of its leaves, and the tree of what else a
    solver returns."""

    def __init__(self, what: str, name: str, value: Any):
        self.what, self.name, self.value = what, name, value
        self.leaves, self.structure = operands(value, f"{what}: {name}")
        for i, x in enumerate(self.leaves):
            if not dtypes.is_inexact(x.type.dtype):
                raise TypeError(f"{what}: {name}{path_of(value, i)} is {x.type}, at {at()}; give a float")
        self.types = [x.type.strong() for x in self.leaves]
        self.count, self.aux = len(self.leaves), tree.structure(())

    def flat(self, fun: Callable, has_aux: bool = False, of: str = "solve") -> Callable:
        """The function of the leaves that returns leaves, those of aux last."""

        def flattened(*leaves):
            made = fun(self.structure.unflatten(leaves))
            if not has_aux:
                return self.same_tree(made, fun, of)
            if not (isinstance(made, tuple) and len(made) == 2):
                got = type(made).__name__
                raise TypeError(f"{self.what}: with has_aux, `{of}` must return a pair (x, aux), got {got}, at {at()}")
            more, self.aux = results(self.what, fun, made[1], "aux")
            return [*self.same_tree(made[0], fun, of), *more]

        return flattened

    def same_tree(self, value: Any, fun: Callable, of: str) -> list:
        leaves, structure = results(self.what, fun, value, "its result")
        if structure != self.structure:
            raise TypeError(f"{self.what}: `{of}` must return the tree of `{self.name}`, {self.structure}, got "
                            f"{structure}, at {at()}")  # fmt: skip
        return leaves

    def same_shapes(self, types: Sequence, of: str) -> None:
        for i, (t, got) in enumerate(zip(self.types, types, strict=False)):
            if got.shape != t.shape:
                raise ValueError(f"{self.what}: `{of}` must return the shapes of `{self.name}`, but returned {got} for "
                                 f"{t}{path_of(self.value, i)}, at {at()}")  # fmt: skip
            if not dtypes.is_inexact(got.dtype):
                where = f"{path_of(self.value, i)}, at {at()}"
                raise TypeError(f"{self.what}: `{of}` returned {got} for {t}{where}; return a float")

    def checked(self, fun: Callable, of: str) -> Callable:
        """The function as a solver gets it."""

        def call(x):
            made = fun(x)
            self.same_shapes([typeof(y) for y in self.same_tree(made, fun, of)], of)
            return made

        return call

    def grown(self, traced: Traced, of: str, exactly: bool = False) -> bool:
        """Whether dtypes had to be promoted to hold what a function returns. Raises TypeError where none does."""
        types = traced.graph.out_types[: self.count]
        self.same_shapes(types, of)
        wanted = [joined(t, got) for t, got in zip(self.types, types, strict=True)]
        for i, (t, got, w) in enumerate(zip(self.types, types, wanted, strict=True)):
            if w is None or (exactly and w.strong() is not t):
                where = f"{path_of(self.value, i)}, at {at()}"
                raise TypeError(f"{self.what}: `{of}` returned {got} for {t}{where}; return that dtype")
        before, self.types = self.types, [w.strong() for w in wanted if w is not None]
        return any(a is not b for a, b in zip(before, self.types, strict=True))

    def converted(self, graph: Graph) -> Graph:
        """The graph with its first results in the dtypes of the tree."""
        n = self.count
        if all(got.dtype == t.dtype for got, t in zip(graph.out_types[:n], self.types, strict=True)):
            return graph

        def body(*xs):
            ys = inline(graph, xs)
            return [*[convert(y, t.dtype) for y, t in zip(ys[:n], self.types, strict=True)], *ys[n:]]

        return rebuild(body, graph.in_types, self.what)


def _function(traced: Traced, like: _Like) -> Callable:
    """The traced function as one of trees."""

    def call(x):
        leaves = like.same_tree(x, call, "its argument")
        return like.structure.unflatten(inline(traced.graph, [*traced.captured, *leaves]))

    return call


def _quiet(traced: Traced) -> Traced:
    """A function that only derivatives compute: what the solver does acts, what they do does not."""
    graph = without_rules(traced.graph)
    return Traced(silenced(graph) or graph, traced.captured)


def _transposed(graph: Graph, count: int) -> Graph:
    """(captured, x) -> A x becomes (captured, y) -> transpose(A) y."""
    try:
        return _transposed_of(graph, count)
    except TypeError as error:
        reason = error.args[0].split(",")[0]
        raise TypeError(f"custom_linear_solve: `matvec` must be linear: {reason}, at {at()}") from None


@rewrite
def _transposed_of(graph: Graph, count: int) -> Graph:
    n = len(graph.ins) - count
    graph = simplify(graph)
    new, mask = transpose(graph, (*[False] * n, *[True] * count), (True,) * count)

    def body(*xs):
        made = iter(inline(new, xs))
        return [next(made) if m else zeros_like(t) for m, t in zip(mask, graph.in_types[n:], strict=True)]

    return rebuild(body, new.in_types, "transpose")


def _factored(traced: Traced) -> Traced:
    """The solver with what it computes of captured values computed before it, once for all that it will solve.

    That is cut from derivatives, as those of a solver are never asked for.
    """
    graph, captured = Traced(without_rules(traced.graph), traced.captured)
    known, early, late = set(range(len(captured))), [], []
    for k, eqn in enumerate(graph.eqns):
        here = eqn.ins and not eqn_effects(eqn) and all(type(a) is Lit or a in known for a in eqn.ins)
        (early if here else late).append(k)
        known.update(eqn.outs if here else ())
    if all(graph.eqns[k].prim in CHEAP for k in early):
        return Traced(graph, captured)
    wanted = [a for k in late for a in graph.eqns[k].ins if a in known] + [o for o in graph.outs if o in known]
    inputs = set(range(len(captured)))
    leaves, again = split_at(graph, wanted, cheaply(graph, wanted, inputs))
    made = [v for v in leaves if v not in inputs]
    _, needed = split_at(graph, made, lambda v, eqn: False)
    first, rest = _part(graph, sorted(inputs), needed, made), sorted([*again, *late])
    second = _part(graph, [*leaves, *graph.ins[len(captured) :]], rest, graph.outs)
    cut = captured if current_frame() is None else [stop_gradient(x) for x in captured]
    results = iter(run(first, cut, graph.sources) if made else [])
    return Traced(second, [captured[v] if v in inputs else next(results) for v in leaves])


def _part(graph: Graph, ins: Sequence, indices: Sequence[int] | None, outs: Sequence) -> Graph:
    """The graph with these inputs, equations (None: all) and results."""
    indices = range(len(graph.eqns)) if indices is None else indices
    return compact(graph.types, ins, [graph.eqns[k] for k in indices], outs, [graph.sources[k] for k in indices])
