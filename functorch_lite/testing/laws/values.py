"""Laws of values: compiled is eager, twice is the same, types are known beforehand, effects are counted."""

from __future__ import annotations

import numpy as np

from functorch_lite import ir
from functorch_lite.api.inspect import eval_shape
from functorch_lite.api.jit import jit as jit_of
from functorch_lite.api.remat import remat as remat_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.api.vmap import vmap as vmap_of
from functorch_lite.prims.effect import functions
from functorch_lite.testing.laws.common import Problem, arrays, bound_of, law
from functorch_lite.trace import execute, trace, typeof
from functorch_lite.transforms.simplify import dce as dce_pass
from functorch_lite.transforms.simplify import simplify as simplify_pass


@law("value")
def deterministic(p: Problem):
    """Two calls with the same arguments give the same bits."""
    p.steady()


@law("value", compiles=True)
def jit(p: Problem):
    """jit(f) is f: values up to rounding, shapes and dtypes exactly, twice in a row."""
    compiled = jit_of(p.flat)
    for _ in range(2):
        p.agree("jit(f) and f", compiled(*p.xs), p.ys, bound_of(p.flat, p.xs, compiled=True))


@law("value")
def dtypes(p: Problem):
    """The shape, dtype and weakness of a result are known without computing it, and are those it then has."""
    said = eval_shape(p.flat, *p.xs)
    for k, (y, t) in enumerate(zip(p.flat(*p.xs), said, strict=True)):
        made = typeof(y)
        got, want = (made.shape, made.dtype, made.weak), (t.shape, t.dtype, t.weak_type)
        if got != want:
            rows = [("where", p.where(k)), ("got", _type_text(*got)), ("want", _type_text(*want))]
            p.fail("the type that is traced and the type that is computed", rows, p.where(k))


def _type_text(shape, dtype, weak: bool) -> str:
    return f"{ir.array_type(tuple(shape), dtype)}{' weak' if weak else ''}"


@law("value")
def simplify(p: Problem):
    """Dropping and merging equations changes no result, and every graph on the way is well typed."""
    graph, captured = trace(p.flat, [typeof(x) for x in p.xs], p.xs, transform="law", concrete=True)
    ir.check(graph)
    for name, rewrite in (("simplify", simplify_pass), ("dce", dce_pass)):
        made = ir.check(rewrite(graph))
        if made.out_types != graph.out_types:
            rows = [("got", str(made.out_types)), ("want", str(graph.out_types))]
            p.fail(f"the types after {name} and before", rows)
        if not graph.effects:
            got = execute(made, [*captured, *p.xs])
            p.agree(f"the graph after {name} and f", got, p.ys, bound_of(p.flat, p.xs))


@law("value")
def remat(p: Problem):
    """remat(f) has the values and the gradients of f."""
    again = remat_of(p.flat)
    p.agree("remat(f) and f", again(*p.xs), p.ys, bound_of(p.flat, p.xs))
    if p.active and any(p.smooth):
        cts = p.cotangents()
        pull = lambda f: lambda *floats: list(vjp_of(f, *floats)[1](cts))
        plain, saved = pull(p.varying), pull(remat_of(p.varying))
        names = [f"the cotangent of argument leaf {i}" for i in p.active]
        p.agree("the gradients of remat(f) and of f", saved(*p.floats), plain(*p.floats),
                bound_of(plain, p.floats), names)  # fmt: skip


class _Counted:
    """How often the callbacks of a program run, while this is open."""

    def __enter__(self):
        self.count, call = 0, functions.call

        def counted(handle, args):
            self.count += 1
            return call(handle, args)

        functions.call = counted
        return self

    def __exit__(self, *_):
        del functions.call


def _effects(fun, *xs) -> int:
    with _Counted() as counted:
        arrays(fun(*xs))  # to have the numbers is to have waited
    return counted.count


@law("value", compiles=True)
def effects(p: Problem):
    """Callbacks run as often under jit as without it, once per row under vmap, and once in a derivative."""
    graph = p.graph()
    if graph is None or (not graph.effects and not _effects(p.flat, *p.xs)):
        return
    want = _effects(p.flat, *p.xs)
    compiled = jit_of(p.flat)
    counts = [("jit(f)", _effects(compiled, *p.xs), want), ("jit(f) again", _effects(compiled, *p.xs), want)]
    if p.xs:
        stacks = [np.stack([np.asarray(x._value)] * 3) for x in p.xs]
        counts.append(("vmap(f) of three equal rows", _effects(vmap_of(p.flat), *stacks), 3 * want))
    if p.active and any(p.smooth):
        pull = lambda *xs: vjp_of(p.inexact, *xs)[0]
        counts.append(("the forward half of vjp(f)", _effects(pull, *p.xs), want))
    for what, got, wanted in counts:
        if got != wanted:
            rows = [("got", f"{got} calls"), ("want", f"{wanted}: f alone makes {want}")]
            p.fail(f"how often callbacks run in {what}", rows)
