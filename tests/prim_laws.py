"""The laws of a primitive's rules, checked on a function of arrays: what the tests of array primitives share."""

import itertools

import numpy as np

import functorch_lite.xla.compile as xla
from functorch_lite import dtypes, ir, trace
from functorch_lite.array import asarray
from functorch_lite.prims.elementwise import mul
from functorch_lite.prims.shape import reduce_sum
from functorch_lite.transforms import jvp as forward
from functorch_lite.transforms import reverse
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.vmap import vmap

REALS = ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
COMPLEX = ["complex64", "complex128"]
EVERY = ["bool", *INTEGERS, *REALS, *COMPLEX]


def draw(rng, shape, dtype="float64"):
    """Numbers of a dtype, small enough that sums and products of a few of them fit."""
    dtype = dtypes.canonical(dtype)
    kind = dtypes.kind(dtype)
    if kind in "biu":
        small = dtypes.is_bool(dtype) or dtypes.iinfo(dtype).max < 8
        low = 0 if small or kind == "u" else -5
        return np.asarray(rng.integers(low, 2 if small else 6, size=shape)).astype(dtype)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == "c" else 0)
    return np.asarray(x).astype(dtype)


def typed(xs):
    return [ir.array_type(x.shape, x.dtype) for x in xs]


def graph_of(fun, xs):
    """The graph of fun(*xs), which returns an array or a list of them."""

    def body(*args):
        made = fun(*args)
        return made if isinstance(made, list) else [made]

    return ir.check(trace.trace(body, typed(xs), transform="test").graph)


def host(graph, xs):
    return [np.asarray(y) for y in trace.execute(graph, [asarray(x) for x in xs])]


def wide(x):
    x = np.asarray(x)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def near(got, want, ulps=0.0, what=""):
    """Equal in type, and in value up to a number of units in the last place of the largest element."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape), (what, got.dtype, want.dtype, got.shape, want.shape)
    eps = float(dtypes.finfo(want.dtype).eps) if dtypes.is_inexact(want.dtype) else 0.0
    got, want = wide(got), wide(want)
    size = np.max(np.abs(want), initial=0.0, where=np.isfinite(want))
    np.testing.assert_allclose(got, want, rtol=0, atol=ulps * eps * max(size, 1e-30), err_msg=str(what))


def agree(cases, ulps=4.0):
    """XLA and the host executor compute the same; cases are (name, function, arrays), all in one program."""
    flat = [x for _, _, xs in cases for x in xs]

    def all_of(*args):
        rest = iter(args)
        return [fun(*[next(rest) for _ in xs]) for _, fun, xs in cases]

    graph = graph_of(all_of, flat)
    for (name, _, xs), want, got in zip(cases, host(graph, flat), xla.run_values(graph, flat), strict=True):
        near(got, want, ulps, (name, typed(xs)))


def inner(xs, ys):
    """The pairing of cotangents with tangents: without conjugation, and its real part where numbers are complex."""
    return sum([np.sum(x * y).real for x, y in zip(xs, ys, strict=True)])


def laws(fun, xs, rng, tol=1e-5, second=True, size=3):
    """Every law of the passes on fun(*xs) -> one array, computed by NumPy; returns the graph."""
    graph = graph_of(fun, xs)
    simple = ir.check(simplify(graph))
    near(host(simple, xs)[0], host(graph, xs)[0], 4, "simplify")
    batching(graph, xs, rng, size)
    active = tuple([dtypes.is_inexact(dtypes.canonical(x.dtype)) for x in xs])
    if any(active):
        derivatives(graph, xs, active, rng, tol)
        if second and not any(x.dtype.kind == "c" for x in xs):
            curvature(graph, xs, active, rng, tol)
    return graph


def batching(graph, xs, rng, size):
    """vmap is a loop, for every choice of batched operands."""
    for mask in itertools.product((False, True), repeat=len(xs)):
        if not any(mask):
            continue
        stacked = [draw(rng, (size, *x.shape), x.dtype) if b else x for x, b in zip(xs, mask, strict=True)]
        mapped, batched = vmap(graph, size, mask)
        ir.check(mapped)
        assert batched == (True,) * len(batched)
        got = host(mapped, stacked)[0]
        rows = [host(graph, [x[i] if b else x for x, b in zip(stacked, mask, strict=True)])[0] for i in range(size)]
        near(got, np.stack(rows), 16, ("vmap", mask))
        near(host(ir.check(simplify(mapped)), stacked)[0], got, 4, ("simplified vmap", mask))


def derivatives(graph, xs, active, rng, tol):
    """jvp is the finite difference, and reverse mode is its adjoint."""
    ts = [draw(rng, x.shape, x.dtype) for x, a in zip(xs, active, strict=True) if a]
    pushed, mask = forward.jvp(graph, active)
    ir.check(pushed)
    assert mask == (True,)
    tangent = host(pushed, [*xs, *ts])[1]
    step = 1e-6
    moved = [_moved(xs, active, ts, h) for h in (step, -step)]
    up, down = [host(graph, each)[0] for each in moved]
    want = (up - down) / (2 * step)
    np.testing.assert_allclose(tangent, want, rtol=tol, atol=tol * max(1.0, np.max(np.abs(want), initial=0.0)))
    halves, _ = reverse.linearize(graph, active)
    back, found = reverse.backward(graph, active, (True,))
    for each in (halves.first, halves.second, back):
        ir.check(each)
    results = host(halves.first, xs)
    ct = draw(rng, tangent.shape, tangent.dtype)
    cts = host(back, [*halves.forward(xs, results), ct])
    reached = [t for t, f in zip(ts, found, strict=True) if f]
    np.testing.assert_allclose(inner([ct], [tangent]), inner(cts, reached), rtol=1e-9, atol=1e-9)


def _moved(xs, active, ts, h):
    ts = iter(ts)
    return [x + h * next(ts) if a else x for x, a in zip(xs, active, strict=True)]


def curvature(graph, xs, active, rng, tol):
    """The derivative of the gradient is the finite difference of the gradient."""
    weights = draw(rng, graph.out_types[0].shape)

    def loss(*args):
        y, w = trace.inline(graph, args[:-1])[0], args[-1]
        return reduce_sum(mul(mul(y, y), w), range(len(weights.shape)))

    scalar = graph_of(loss, [*xs, weights])
    active = (*active, False)
    gradient = ir.check(reverse.value_and_grad(scalar, active))
    gradient = ir.check(ir.compact(gradient.types, gradient.ins, gradient.eqns, gradient.outs[1:], gradient.sources))
    xs = [*xs, weights]
    ts = [draw(rng, x.shape, x.dtype) for x, a in zip(xs, active, strict=True) if a]
    pushed, mask = forward.jvp(gradient, active)
    ir.check(pushed)
    tangents = host(pushed, [*xs, *ts])[len(mask) :]
    step = 1e-6
    up, down = [host(gradient, _moved(xs, active, ts, h)) for h in (step, -step)]
    changes = [(a - b) / (2 * step) for a, b, m in zip(up, down, mask, strict=True) if m]
    for got, want in zip(tangents, changes, strict=True):
        size = max(1.0, np.max(np.abs(want), initial=0.0))
        np.testing.assert_allclose(got, want, rtol=10 * tol, atol=10 * tol * size)
