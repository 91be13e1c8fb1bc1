"""Laws of primitives, for the tests of their families.

A function under test takes tracers and returns one of them; operands are NumPy arrays. The derivative laws run on the
host executor, which compiles nothing, and check every graph that a pass makes; `agree` holds the compiled results
against it.
"""

import itertools

import numpy as np

import functorch_lite as fl
import functorch_lite.testing as flt
import functorch_lite.xla.compile as xla
from functorch_lite import dtypes, ir, tree
from functorch_lite.array import asarray
from functorch_lite.host.execute import execute
from functorch_lite.testing import laws
from functorch_lite.trace import inline, trace
from functorch_lite.transforms import jvp as forward
from functorch_lite.transforms import reverse
from functorch_lite.transforms.common import rebuild
from functorch_lite.transforms.simplify import simplify

# ---- graphs and their values ----


def typed(*xs):
    """The types of NumPy arrays."""
    return [ir.array_type(np.shape(x), dtypes.canonical(x.dtype)) for x in xs]


def graph_of(fun, *types):
    """The checked graph of a function of tracers that returns one of them, or several."""

    def body(*xs):
        made = fun(*xs)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    return ir.check(trace(body, types, transform="law").graph)


def host(graph, xs):
    """The results that NumPy computes."""
    return [np.asarray(y._value) for y in execute(graph, [asarray(x) for x in xs])]


def compiled(graph, xs):
    """The results that XLA computes."""
    return xla.run_values(graph, xs)


# ---- trees of results ----


def same(got, want, tol=1e-9):
    """Two trees are equal, with their dtypes and shapes; the numbers up to `tol`, absolute and relative."""
    got, want = tree.flatten(got), tree.flatten(want)
    assert got[1] == want[1], (got[1], want[1])
    for a, b in zip(got[0], want[0], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


# ---- every graph is well typed ----


def check_graphs(monkeypatch, **makers):
    """Type-check every graph that these functions make in these modules: rebuild=(jvp, vmap), compact=(...)."""
    for name, modules in makers.items():
        for module in modules:
            make = getattr(module, name)
            monkeypatch.setattr(module, name, lambda *args, make=make: ir.check(make(*args)))
    fl.clear_caches()


# ---- the executors agree ----


def units(got, want, scale=0.0):
    """How far two arrays are apart, in units in the last place of `want`, or of `scale` where that is larger.

    Complex numbers are measured by their absolute values. NaNs are equal to each other; integers and booleans are equal
    or infinitely far apart; so is a finite number from one that is not. What is about as small as the subnormal numbers
    counts as zero in the dtypes in which compiled code flushes them.
    """
    assert got.dtype == want.dtype and got.shape == want.shape, f"{got.dtype}{got.shape}, {want.dtype}{want.shape}"
    if not dtypes.is_inexact(got.dtype):
        return np.where(got == want, 0.0, np.inf)
    wide, info = np.complex128 if dtypes.is_complex(got.dtype) else np.float64, dtypes.finfo(got.dtype)
    with np.errstate(all="ignore"):
        a, b = got.astype(wide), want.astype(wide)
        size = np.maximum(np.maximum(np.abs(b), scale), float(info.tiny))
        apart = np.abs(a - b) / (2.0 ** np.floor(np.log2(size)) * float(info.eps))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if info.tiny < 1e-30:
            same |= (np.abs(a) <= 2 * float(info.tiny)) & (np.abs(b) <= 2 * float(info.tiny))
        finite = np.isfinite(a) & np.isfinite(b)
    return np.where(same, 0.0, np.where(finite, apart, np.inf))


def agree(cases, *xs):
    """XLA computes what the host does: `cases` is {name: (function, units)} or {name: (function, units, scale)}.

    All are compiled as one program.
    """
    graph = graph_of(lambda *ts: [fun(*ts) for fun, *_ in cases.values()], *typed(*xs))
    wrong = []
    for (name, (_, limit, *scale)), got, want in zip(cases.items(), compiled(graph, xs), host(graph, xs), strict=True):
        apart = units(got, want, *scale)
        if not np.all(apart <= limit):
            i = np.unravel_index(np.argmax(apart), apart.shape)
            at = ", ".join(str(x[i]) for x in xs if x.shape == apart.shape)
            wrong.append(f"{name}: {apart[i]:.3g} units at ({at}): compiled {got[i]}, host {want[i]}")
    assert not wrong, f"{typed(*xs)[0]}\n" + "\n".join(wrong)


# ---- derivatives: by the laws of `functorch_lite.testing` ----


def pullback(graph, active):
    """(x..., ct of active y...) -> (ct of active x...), and which of these are there."""
    halves, out_active = reverse.linearize(graph, active)
    ir.check(halves.first), ir.check(halves.second)
    back, mask = reverse.backward(graph, active, (True,) * sum(out_active))

    def body(*args):
        xs, cts = args[: len(active)], args[len(active) :]
        return inline(back, [*halves.forward(xs, inline(halves.first, xs)), *cts])

    outs = [t.strong() for t, a in zip(graph.out_types, out_active, strict=True) if a]
    return ir.check(simplify(rebuild(body, [*graph.in_types, *outs], "law"))), mask, out_active


def check_derivatives(fun, *xs, rng, order=2, active=None):
    """Forward and reverse mode against differences and against each other, for every choice of operands that vary; of
    all that vary together, also the derivatives up to `order`. Every graph is well typed.

    xs: floats and complex numbers, or what has no derivative. `active`: which operands vary; all choices if left out.
    """
    inexact = [dtypes.is_inexact(x.dtype) for x in xs]
    choices = [active] if active else itertools.product(*[(True, False) if i else (False,) for i in inexact])
    seed = int(rng.integers(2**31))
    for choice in filter(any, choices):
        varying = [x for x, c in zip(xs, choice, strict=True) if c]

        def of_varying(*given, choice=choice):
            it = iter(given)
            return fun(*[next(it) if c else asarray(x) for x, c in zip(xs, choice, strict=True)])

        highest = order if sum(choice) == sum(active or inexact) else 1
        try:
            flt.check_grads(of_varying, tuple(varying), highest, seed=seed)
        except laws.NotApplicableError:  # results that are no floats have no tangents
            assert forward.jvp(graph_of(fun, *typed(*xs)), choice)[1] == (False,)
            continue
        check_types(fun, *typed(*xs), active=choice)


def check_types(fun, *types, active=None):
    """The graphs of both modes, and of reverse over reverse, are well typed; nothing is computed."""
    graph = graph_of(fun, *types)
    active = tuple(active or [dtypes.is_inexact(t.dtype) for t in graph.in_types])
    if any(active):
        ir.check(forward.jvp(graph, active)[0])
        made, _, out_active = pullback(graph, active)
        pullback(made, (*active, *[True] * sum(out_active)))
