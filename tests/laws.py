"""Laws of primitives, for the tests of their families.

A function under test takes tracers and returns one of them; operands are NumPy arrays. The derivative laws run on the
host executor, which compiles nothing, and check every graph that a pass makes; `agree` holds the compiled results
against it.
"""

import itertools

import numpy as np

import functorch_lite as fl
import functorch_lite.xla.compile as xla
from functorch_lite import dtypes, ir, tree
from functorch_lite.array import asarray
from functorch_lite.host.execute import execute
from functorch_lite.trace import inline, trace
from functorch_lite.transforms import jvp as forward
from functorch_lite.transforms import reverse
from functorch_lite.transforms.common import rebuild, spread
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.vmap import vmap

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


# ---- derivatives ----


def directions(rng, xs):
    """Random tangents or cotangents of these arrays."""
    made = []
    for x in xs:
        t = rng.normal(size=np.shape(x))
        made.append((t + 1j * rng.normal(size=np.shape(x)) if dtypes.is_complex(x.dtype) else t).astype(x.dtype))
    return made


def dual(xs, ys):
    """The pairing of cotangents with tangents: Re(sum(x y)), without a conjugate."""
    return sum(np.sum(x * y).real for x, y in zip(xs, ys, strict=True))


def differences(graph, xs, ts, step=1e-3):
    """The tangents of the results along `ts` (None: no change), by central differences of fourth order."""

    def at(k):
        return host(graph, [x if t is None else x + k * step * t for x, t in zip(xs, ts, strict=True)])

    near, far = zip(at(1), at(-1), strict=True), zip(at(2), at(-2), strict=True)
    return [(8 * (a - b) - (c - d)) / (12 * step) if dtypes.is_inexact(a.dtype) else None
            for (a, b), (c, d) in zip(near, far, strict=True)]  # fmt: skip


def close(got, want, tol, what):
    size = max(1.0, np.max(np.abs(want), initial=0.0))
    apart = np.max(np.abs(got - want), initial=0.0)
    assert apart <= tol * size, f"{what}: {got} and {want}, {apart:.3g} apart"


def check_forward(graph, xs, active, rng, tol):
    """Forward mode is the limit of difference quotients; a tangent that it leaves out is zero."""
    made, mask = forward.jvp(graph, active)
    ir.check(made)
    tangents = directions(rng, [x for x, a in zip(xs, active, strict=True) if a])
    n = len(graph.outs)
    results = host(made, [*xs, *tangents])
    for y, z in zip(results[:n], host(graph, xs), strict=True):
        np.testing.assert_array_equal(y, z)
    wanted = differences(graph, xs, spread(tangents, active))
    for got, want, y in zip(spread(results[n:], mask), wanted, results[:n], strict=True):
        if want is None:
            assert got is None, f"{y.dtype} results have no tangent"
        else:
            close(np.zeros_like(y) if got is None else got, want, tol, f"jvp of\n{graph}\nat {xs}")


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


def check_adjoint(graph, xs, active, rng, tol):
    """<ct, J t> == <J' ct, t>."""
    made, mask, out_active = pullback(graph, active)
    pushed, _ = forward.jvp(graph, active)
    tangents = directions(rng, [x for x, a in zip(xs, active, strict=True) if a])
    results = host(pushed, [*xs, *tangents])
    ys, pushed_tangents = results[: len(graph.outs)], results[len(graph.outs) :]
    cts = directions(rng, [y for y, a in zip(ys, out_active, strict=True) if a])
    pulled = host(made, [*xs, *cts])
    left, right = dual(cts, pushed_tangents), dual(pulled, [t for t, m in zip(tangents, mask, strict=True) if m])
    scale = sum(np.sum(np.abs(a * b)) for a, b in zip(cts, pushed_tangents, strict=True))
    close(left, right, tol * max(1.0, scale), f"adjoint of\n{graph}\nat {xs}")
    return made


def check_derivatives(fun, *xs, rng, order=2, tol=1e-6, active=None):
    """Forward mode against differences and reverse mode against forward mode, of the function and of its gradient.

    xs: float64, complex128, or what has no derivative. `active`: which operands vary; all choices if it is left out.
    """
    inexact = [dtypes.is_inexact(x.dtype) for x in xs]
    graph = graph_of(fun, *typed(*xs))
    choices = [active] if active else itertools.product(*[(True, False) if i else (False,) for i in inexact])
    for choice in choices:
        if any(choice):
            check_forward(graph, xs, choice, rng, tol)
            check_adjoint(graph, xs, choice, rng, tol)
    every = tuple(active or inexact)
    for _ in range(order - 1):
        made, _, out_active = pullback(graph, every)
        ys = host(graph, xs)
        xs = [*xs, *directions(rng, [y for y, a in zip(ys, out_active, strict=True) if a])]
        graph, every = made, (*every, *[True] * (len(xs) - len(every)))
        check_forward(graph, xs, every, rng, tol * 100)
        check_adjoint(graph, xs, every, rng, tol)


def check_types(fun, *types):
    """The graphs of both modes, and of reverse over reverse, are well typed; nothing is computed."""
    graph = graph_of(fun, *types)
    active = tuple([dtypes.is_inexact(t.dtype) for t in graph.in_types])
    if any(active):
        ir.check(forward.jvp(graph, active)[0])
        made, _, out_active = pullback(graph, active)
        pullback(made, (*active, *[True] * sum(out_active)))


# ---- vmap ----


def check_vmap(fun, *stacks, exact=True):
    """vmap is a loop, for every choice of mapped operands. The stacks have the mapped axis in front.

    Without `exact`, sums may be rounded in another order.
    """
    size = len(stacks[0])
    graph = graph_of(fun, *typed(*[x[0] for x in stacks]))
    for batched in itertools.product((True, False), repeat=len(stacks)):
        if not any(batched):
            continue
        made, mask = vmap(graph, size, batched)
        got = host(ir.check(made), [x if b else x[0] for x, b in zip(stacks, batched, strict=True)])
        rows = [host(graph, [x[i] if b else x[0] for x, b in zip(stacks, batched, strict=True)]) for i in range(size)]
        for k, (y, mapped) in enumerate(zip(got, mask, strict=True)):
            want = np.stack([row[k] for row in rows]) if mapped else rows[0][k]
            assert y.dtype == want.dtype and y.shape == want.shape, (graph, batched)
            limit = 0 if exact else 64
            scale = 0.0 if exact else float(np.max(np.abs(want), initial=0))
            assert np.all(units(y, want, scale) <= limit), f"vmap {batched} of\n{graph}\n{y}\n{want}"
