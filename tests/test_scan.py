"""`scan`, `map`, `associative_scan`: every transform gives what it gives of the same loop written out in Python."""

import itertools

import numpy as np
import pytest
from laws import check_graphs, same

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree
from functorch_lite.control import chunks, fission, loops, scan
from functorch_lite.host import scan as host_scan
from functorch_lite.transforms import common, jvp, reverse, transpose, vmap

rng = np.random.RandomState(0)
W, H, XS = map(fnp.array, (rng.randn(3, 3) * 0.5, np.array([0.3, -0.7, 0.2]), rng.randn(5, 3)))
ZERO = fnp.array(0)


def unrolled(f, init, xs=None, length=None, reverse=False, unroll=1, checkpoint=None):
    """What `scan` means."""
    n = length if length is not None else len(tree.leaves(xs)[0])
    carry, ys = init, []
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, tree.map(lambda x, i=i: x[i], xs))
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    return carry, tree.map(lambda *rows: fnp.stack(rows), *ys)


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Every graph that a pass returns is type-checked, with the graphs inside it."""
    check_graphs(monkeypatch, rebuild=(jvp, transpose, vmap, reverse, scan, loops, chunks), _part=(fission,),
                 rewired=(scan,), compact=(scan,))  # fmt: skip
    monkeypatch.setattr(fission, "RATIO", 0)  # products move though the matrices of these tests are small


# ---- programs: (scan, weights, start, rows) -> a tree of arrays ----


def rnn(scan, w, h, xs):
    def cell(h, x):
        h = fnp.tanh(w @ h + x)
        return h, fnp.sin(h)

    return scan(cell, h, xs)


def backward(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h + x), h * x[0]), h, xs, reverse=True)


def layers(scan, w, h, xs):
    """Products that are computed for all rows at once, before the loop and after it."""

    def cell(h, x):
        h = fnp.tanh(w @ h + w.T @ x)
        return h, (w @ h, w @ fnp.sin(x))

    return scan(cell, h, xs)


def unchanged(scan, w, h, xs):
    """The weights are carried though they never change; a product of constants is computed once."""

    def cell(carry, x):
        w, h = carry["w"], carry["h"]
        return {"w": w, "h": fnp.sin(w @ w @ h) + x}, (w[0], x, fnp.ones(2))

    return scan(cell, {"w": w, "h": h}, xs)


def counting(scan, w, h, xs):
    """Integers and booleans are carried; a result is None."""

    def cell(carry, x):
        i, h, odd = carry
        h = h * w[i % 3] + fnp.where(odd, x, fnp.cos(x))
        return (i + 1, h, ~odd), (None, i)

    return scan(cell, (ZERO, h, ZERO > 0), xs)


def forgetting(scan, w, h, xs):
    """A carried value that is replaced in each turn, and one that is no function of what is differentiated."""

    def cell(carry, x):
        a, b = carry
        return (x * w[1], fnp.floor(b) + 1.0), a * b

    return scan(cell, (h, h), xs)


def chained(scan, w, h, xs):
    """What one carried value gets reaches the next one a turn later."""

    def cell(carry, x):
        a, b, c, d = carry
        return (x[0] * 1.0, fnp.sin(a), b * b, c + d), d

    return scan(cell, (h[1], h[2], h[1], h[0]), xs)


def buffer(scan, w, h, xs):
    """An array is carried, and updated in place; another one is read by position."""

    def cell(carry, x):
        i, out = carry
        row = lax.dynamic_index_in_dim(w, i % 3, keepdims=False)
        return (i + 1, lax.dynamic_update_index_in_dim(out, fnp.sum(row * x) * out[0], i, 0)), row

    return scan(cell, (ZERO, fnp.concatenate([h, h])), xs)


def counted(scan, w, h, xs):
    return scan(lambda h, _: (fnp.tanh(w @ h) + xs[0], fnp.sum(h)), h, length=4)


def single(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h) + x, h), h, xs[:1])


def in_pairs(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h) * x, h + x), h, xs, unroll=2)


def jitted(scan, w, h, xs):
    cell = fl.jit(lambda w, h, x: (fnp.tanh(w @ h) * x, fnp.exp(h)))
    return scan(lambda h, x: cell(w, h, x), h, xs)


def nested(scan, w, h, xs):
    def cell(h, x):
        k, ys = scan(lambda k, v: (fnp.sin(w @ k) * v, k[0] * x), h, x)
        return k + h, ys

    return scan(cell, h, xs)


def deep(scan, w, h, xs):
    def inner(a, x):
        b, _ = scan(lambda b, v: (fnp.sin(b * x) + v * a, None), a, w[0])
        return b, fnp.sum(b)

    def cell(h, x):
        a, ys = scan(inner, h, w)
        return fnp.tanh(a) + x, ys

    return scan(cell, h, xs)


def differentiated(scan, w, h, xs):
    """A derivative inside of the body, and one of a loop."""

    def cell(h, x):
        loss = lambda h: fnp.sum(scan(lambda c, v: (c * fnp.cos(h * v), None), h, w)[0])
        return h - 0.1 * fl.grad(loss)(h), fl.vmap(lambda a, b: a * b)(h, x)

    return scan(cell, h, xs[:2])


def masked(scan, w, h, xs):
    """A branch that is not taken has an infinite derivative."""
    return scan(lambda h, x: (fnp.where(x > 0, fnp.sqrt(fnp.abs(x) * h * h), fnp.tanh(w @ h)), h[0]), h, xs)


PROGRAMS = {f.__name__: f for f in (rnn, backward, layers, unchanged, counting, forgetting, chained, buffer, counted,
                                    single, in_pairs, jitted, nested, deep, differentiated, masked)}  # fmt: skip
ARGS = (W, H, XS)


def scalar(program, scan):
    """A program as a function to a number that tells all results apart."""

    def loss(*args):
        total = 0.0
        for k, y in enumerate(tree.leaves(program(scan, *args))):
            if fl.dtypes.is_float(y.dtype):
                total = total + fnp.sum(fnp.sin(y + k) * fnp.arange(1.0, y.size + 1).reshape(y.shape))
        return total

    return loss


def tangents(seed=1):
    r = np.random.RandomState(seed)
    return tuple([r.randn(*x.shape) for x in ARGS])


every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


@every_program
def test_values(program):
    want = program(unrolled, *ARGS)
    same(program(lax.scan, *ARGS), want)
    same(program(lax.scan, *ARGS), want)  # compiled now, where it is long
    same(fl.jit(lambda *args: program(lax.scan, *args))(*ARGS), want)


@every_program
def test_gradients(program):
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    want = fl.grad(g, (0, 1, 2))(*ARGS)
    same(fl.grad(f, (0, 1, 2))(*ARGS), want)
    same(fl.jit(fl.grad(f, (0, 1, 2)))(*ARGS), want)
    for k in range(3):
        same(fl.grad(f, k)(*ARGS), want[k])


@every_program
def test_forward_mode(program):
    loss, reference = scalar(program, lax.scan), scalar(program, unrolled)
    ts = tangents()
    want = fl.jvp(reference, ARGS, ts)
    same(fl.jvp(loss, ARGS, ts), want)
    value, push = fl.linearize(loss, *ARGS)
    same((value, push(*ts)), want)
    same(fl.jit(lambda: fl.jvp(loss, ARGS, ts))(), want)
    for k in range(3):
        one = lambda x, k=k: loss(*ARGS[:k], x, *ARGS[k + 1 :])
        two = lambda x, k=k: reference(*ARGS[:k], x, *ARGS[k + 1 :])
        same(fl.jvp(one, (ARGS[k],), (ts[k],)), fl.jvp(two, (ARGS[k],), (ts[k],)))


@every_program
def test_second_derivatives(program):
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    want = fl.hessian(lambda h: g(W, h, XS))(H)
    same(fl.hessian(lambda h: f(W, h, XS))(H), want)
    same(fl.jacrev(fl.grad(lambda h: f(W, h, XS)))(H), want)
    ts = tangents(2)
    both = lambda loss: fl.jvp(fl.grad(loss, (0, 1, 2)), ARGS, ts)
    same(both(f), both(g))
    along = lambda loss: lambda *args: sum(fnp.sum(a * t) for a, t in zip(fl.grad(loss, (0, 1, 2))(*args), ts))
    same(fl.grad(along(f), (0, 1, 2))(*ARGS), fl.grad(along(g), (0, 1, 2))(*ARGS))


@every_program
def test_mapped_over_every_choice_of_arguments(program):
    many = tuple([np.stack([x, x * 0.5 + 0.1]) for x in ARGS])
    for mask in itertools.product([True, False], repeat=3):
        if any(mask):
            args = [m if b else x for m, x, b in zip(many, ARGS, mask)]
            axes = tuple([0 if b else None for b in mask])
            rows = [program(unrolled, *[m[i] if b else x for m, x, b in zip(many, ARGS, mask)]) for i in range(2)]
            want = tree.map(lambda *r: fnp.stack(r), *rows)
            same(fl.vmap(lambda *a: program(lax.scan, *a), axes)(*args), want)


@every_program
def test_mapped_gradients(program):
    many = tuple([np.stack([x, x * 0.5 + 0.1]) for x in ARGS])
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    for axes in ((0, 0, 0), (None, 0, None), (0, None, 0)):
        args = [m if a == 0 else x for m, x, a in zip(many, ARGS, axes)]
        rows = [fl.grad(g, (0, 1, 2))(*[m[i] if a == 0 else x for m, x, a in zip(many, ARGS, axes)]) for i in range(2)]
        same(fl.vmap(fl.grad(f, (0, 1, 2)), axes)(*args), tree.map(lambda *r: fnp.stack(r), *rows))
    total = lambda loss: fl.grad(lambda *a: fnp.sum(fl.vmap(loss)(*a)), (0, 1, 2))(*many)
    same(total(f), total(g))


@every_program
def test_types_are_those_that_jit_gives(program):
    f = lambda *args: program(lax.scan, *args)
    jitted = fl.jit(f)(*ARGS)
    for a, b in zip(tree.leaves(f(*ARGS)), tree.leaves(jitted), strict=True):
        assert a.type is b.type
    inner = fl.jit(scalar(program, lax.scan))
    same(fl.grad(inner)(*ARGS), fl.grad(scalar(program, unrolled))(*ARGS))


@pytest.mark.slow
@pytest.mark.parametrize("program", [rnn, layers, unchanged, chained, nested], ids=lambda f: f.__name__)
def test_compiled_transforms_of_transforms(program):
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    many = tuple([fnp.stack([x, x * 0.5 + 0.1]) for x in ARGS])
    same(fl.jit(fl.vmap(fl.grad(f)))(*many), fnp.stack([fl.grad(g)(*[m[i] for m in many]) for i in range(2)]))
    same(fl.jit(fl.hessian(lambda h: f(W, h, XS)))(H), fl.hessian(lambda h: g(W, h, XS))(H))
    jacobian = lambda scan: fl.jacfwd(lambda w: program(scan, w, H, XS))
    same(fl.jit(jacobian(lax.scan))(W), jacobian(unrolled)(W))


# ---- loops in loops, branches, derivatives in bodies ----


def test_a_branch_in_a_body():
    def body(scan):
        def cell(h, x):
            return lax.cond(x[0] > 0, lambda h: fnp.tanh(W @ h), lambda h: h * x, h), h

        return lambda h, xs: sum(fnp.sum(y) for y in tree.leaves(scan(cell, h, xs)))

    same(fl.grad(body(lax.scan), (0, 1))(H, XS), fl.grad(body(unrolled), (0, 1))(H, XS))
    same(fl.jit(fl.hessian(body(lax.scan)))(H, XS), fl.hessian(body(unrolled))(H, XS))
    many = fnp.stack([XS, -XS])
    want = fnp.stack([fl.grad(body(unrolled))(H, x) for x in many])
    same(fl.vmap(fl.grad(body(lax.scan)), (None, 0))(H, many), want)


def test_a_loop_in_a_branch():
    f = lambda scan: lambda h, xs: fnp.sum(
        lax.cond(h[0] > 0, lambda: scan(lambda c, x: (c * x, c), h, xs)[0], lambda: fnp.cos(h)) ** 2)
    for h in (H, -H):
        same(fl.grad(f(lax.scan), (0, 1))(h, XS), fl.grad(f(unrolled), (0, 1))(h, XS))


def test_a_while_loop_in_a_body():
    def cell(h, x):
        return lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, fnp.sin(c[1]) * x), (0, h))[1], h

    def reference(h, x):
        return fnp.sin(fnp.sin(h) * x) * x, h

    f = lambda scan, cell: lambda h, xs: sum(fnp.sum(y) for y in scan(cell, h, xs))
    same(fl.grad(f(lax.scan, cell), (0, 1))(H, XS), fl.grad(f(unrolled, reference), (0, 1))(H, XS))


def test_closures_at_any_depth():
    def f(a):
        def g(b):
            step = lambda c, x: (c * a + b * x, fl.grad(lambda d: d * d * a * b)(c))
            c, ys = fl.jit(lambda: lax.scan(step, b, XS[:, 0]))()
            return c + fnp.sum(ys)

        return fl.grad(g)(a) + fnp.sum(fl.vmap(g)(fnp.stack([a, 2 * a])))

    def plain(a):
        def g(b):
            c, ys = unrolled(lambda c, x: (c * a + b * x, 2 * c * a * b), b, XS[:, 0])
            return c + fnp.sum(ys)

        return fl.grad(g)(a) + g(a) + g(2 * a)

    a = fnp.array(0.7, "float64")
    same(fl.grad(f)(a), fl.grad(plain)(a))
    same(fl.jit(fl.grad(f))(a), fl.grad(plain)(a))


def test_a_linear_loop_with_a_counter_is_transposed():
    def f(xs):
        (_, c), ys = lax.scan(lambda s, x: ((s[0] + 1, s[1] * 0.5 + x * W[s[0] % 3, 0]), s[1]), (ZERO, H[0] * 0), xs)
        return c, ys

    xs = XS[:, 0]
    (back,) = fl.linear_transpose(f, xs)((fnp.ones(()).astype("float64"), fnp.arange(5.0).astype("float64")))
    same(back, fl.vjp(f, xs)[1]((fnp.array(1.0, "float64"), fnp.arange(5.0).astype("float64")))[0])
    rows = fnp.stack([f(e)[1] for e in fnp.eye(5).astype("float64")])
    same(back, rows @ fnp.arange(5.0).astype("float64") + fnp.stack([f(e)[0] for e in fnp.eye(5).astype("float64")]))


# ---- lengths, dtypes, types of the carry ----


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize(
    "options", [{}, {"reverse": True}, {"unroll": 3}, {"unroll": True}, {"checkpoint": "sqrt"}], ids=str)
def test_lengths(length, options):
    xs = fnp.array(rng.randn(length, 3))
    last = lambda scan: lambda h, xs: fnp.sum(rnn(lambda *args: scan(*args, **options), W, h, xs)[0])
    f = fl.value_and_grad(last(lax.scan), (0, 1))
    if length:
        want = fl.value_and_grad(last(unrolled), (0, 1))(H, xs)
    else:
        want = fnp.sum(H), (fnp.ones(3).astype("float64"), xs)
    same(f(H, xs), want)
    same(fl.jit(f)(H, xs), want)
    assert lax.scan(lambda c, x: (c, x[0]), H, xs, **options)[1].shape == (length,)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "complex64", "complex128", "int8", "uint32", "bool"])
def test_dtypes(dtype):
    x = fnp.array([1, 0, 2, 3]).astype(dtype)
    f = lambda c, x: ((c ^ x, c & x) if dtype == "bool" else (c * x + x, c - x))
    want = unrolled(f, x[0], x)
    for run in (lax.scan, fl.jit(lambda c, x: lax.scan(f, c, x))):
        got = run(f, x[0], x) if run is lax.scan else run(x[0], x)
        same(got, want, 1e-2 if "16" in dtype else 1e-6)


def test_complex_derivatives():
    z = fnp.array([0.3 + 0.4j, -0.2 + 1j, 0.5 - 0.1j])
    loss = lambda scan: lambda c, z: fnp.sum(fnp.abs(scan(lambda c, x: (c * x + fnp.sin(c), c * c), c, z)[1]) ** 2)
    same(fl.grad(loss(lax.scan), (0, 1))(z[0], z), fl.grad(loss(unrolled), (0, 1))(z[0], z), 1e-5)


def test_the_carry_is_promoted_where_nothing_is_lost():
    x = fnp.arange(3.0)
    types = lambda init, x, f=lambda c, x: (c + x, None): lax.scan(f, init, x)[0].type
    assert str(types(0, x)) == "f32[]" and not types(0, x).weak
    assert str(types(0.0, x.astype("float64"))) == "f64[]"
    assert str(types(False, x)) == "f32[]"
    assert str(types(fnp.array(1, "int8"), x)) == "f32[]"
    assert str(types(fnp.array(1, "int32"), x.astype("float64"))) == "f64[]"
    assert str(types(fnp.array(1, "float16"), x.astype("bfloat16"))) == "f32[]"
    assert str(types(fnp.array(1, "complex64"), x)) == "c64[]"
    assert types(1.0, x, lambda c, x: (c * 2.0, None)).weak
    assert str(types(fnp.array(1.0, "float32"), x, lambda c, x: (2, None))) == "f32[]"  # a Python number adapts
    both = lax.scan(lambda c, x: ((c[1], c[0] + x), c), (0, fnp.array(2, "int8")), x)[0]  # one promotes the other
    same(both, (fnp.array(3.0), fnp.array(2.0)))


@pytest.mark.parametrize(
    "init, out",
    [("int32", "float32"), ("float32", "int32"), ("int64", "float64"), ("uint64", "int8"), ("complex64", "int32")])
def test_a_carry_that_would_lose_something_is_refused(init, out):
    with pytest.raises(TypeError, match=r"must return the carry in the types it was given, at test_scan.py:\d+:\n"):
        lax.scan(lambda c, x: (x, c), fnp.array(1).astype(init), fnp.ones(3).astype(out))


def test_weak_results_are_those_of_the_executors():
    for f in (lambda c, _: (c * 2.0, c), lambda c, _: (c + 1, (c, 2.0))):
        eager, jitted = lax.scan(f, 1.0, length=3), fl.jit(lambda f=f: lax.scan(f, 1.0, length=3))()
        assert [x.type for x in tree.leaves(eager)] == [x.type for x in tree.leaves(jitted)]


# ---- what is saved, hoisted, dropped ----


def saved_bytes(f, *args):
    """The bytes that reverse mode keeps besides the arguments."""
    graph = fl.make_graph(f)(*args)
    active = tuple([fl.dtypes.is_float(t.dtype) for t in graph.in_types])
    first = reverse.linearize(graph, active).halves.first
    return sum(t.size * t.dtype.itemsize for t in first.out_types[len(graph.outs) :])


def test_constants_and_rows_are_not_stacked():
    w = fnp.array(rng.randn(20, 20))
    for program in (rnn, unchanged):
        f = lambda h, xs, program=program: tree.leaves(program(lax.scan, w, h, xs))[0]
        sizes = [saved_bytes(f, fnp.zeros(20).astype("float64"), fnp.ones((n, 20)).astype("float64")) for n in (10, 20)]
        per_turn = (sizes[1] - sizes[0]) / 10
        assert per_turn <= 3 * 20 * 8, program.__name__
    f = lambda h, xs: lax.scan(lambda h, x: (fnp.where(x > 0, h * x, -h), None), h, xs)[0]
    assert saved_bytes(f, H, XS) <= XS.nbytes, "only h is saved; the mask is computed again from the rows"


def test_cheap_operations_are_computed_again():
    """Of a gated cell, what is saved are the gates, the candidate and the state, not products of them."""

    def cell(h, x):
        z, n = lax.logistic(h + x), fnp.tanh(h * x)
        return (1 - z) * n + z * h, None

    f = lambda h: lax.scan(cell, h, XS)[0]
    assert saved_bytes(f, H) == 3 * XS.nbytes


def graphs_of(f, *args):
    """The bodies of the scans in the graph of a function, outermost first."""
    graph = fl.make_graph(f)(*args)
    eqns = [eqn for g in [graph, *ir.nested(graph)] for eqn in g.eqns]
    return [dict(eqn.params)["graph"] for eqn in eqns if eqn.prim is scan.scan_p]


def names_of(graph):
    return [eqn.prim.name for eqn in graph.eqns]


def test_what_does_not_change_is_computed_once():
    f = lambda w, h: lax.scan(lambda h, _: (fnp.tanh(fnp.exp(w @ w) @ h), None), h, length=3)[0]
    (body,) = graphs_of(f, W, H)
    assert names_of(body) == ["dot", "tanh"]
    back = graphs_of(fl.grad(lambda w, h: fnp.sum(f(w, h))), W, H)
    assert all("exp" not in names_of(b) for b in back)


def test_products_of_rows_are_computed_together():
    f = lambda w, h: lax.scan(lambda h, x: (fnp.tanh(w @ h + w @ fnp.sin(x)), w @ h), h, XS)
    (body,) = graphs_of(f, W, H)
    assert names_of(body) == ["dot", "add", "tanh"]
    assert "dot" in names_of(fl.make_graph(f)(W, H))
    loops = graphs_of(fl.grad(lambda w: fnp.sum(f(w, H)[1])), W)
    assert max([names_of(b).count("dot") for b in loops]) == 1, "no outer product is added up turn by turn"


def test_only_products_that_spend_their_time_on_the_constant_are_moved(monkeypatch):
    monkeypatch.undo()
    fl.clear_caches()
    w = fnp.ones((64, 64))
    for rows, moved in ((1, True), (64, False)):
        x = fnp.ones((5, rows, 64))
        f = lambda h, x: lax.scan(lambda h, x: (fnp.tanh(h + x @ w), None), h, x)[0]
        (body,) = graphs_of(f, x[0], x)
        assert ("dot" not in names_of(body)) == moved


def test_what_nobody_reads_is_dropped():
    def f(h):
        def cell(carry, x):
            a, b, c = carry
            return (fnp.tanh(a), b + fnp.sin(a), c * 2), (fnp.exp(b), fnp.cos(a))

        return lax.scan(cell, (h, h, h), XS)[1][1]

    (body,) = graphs_of(f, H)
    assert sorted(names_of(body)) == ["cos", "tanh"]


def test_integers_carry_no_tangents_and_zeros_stay_structural():
    def f(h, x):
        (_, _, y), _ = lax.scan(lambda c, v: ((c[0] + 1, fnp.floor(c[1] + v), c[2] * v), None), (ZERO, h, h), x)
        return y

    (body,) = graphs_of(lambda t: fl.jvp(lambda h: f(h, XS), (H,), (t,)), H)
    assert len(body.outs) == 2, "of the carried values only y is needed, with its tangent"


def test_masks_of_nested_loops_are_found_without_running_bodies_again():
    """Three loops in each other, each with a chain of twenty carried values: passes visit each body a few times."""

    def chain(depth, c, x):
        if depth:
            c, _ = lax.scan(lambda c, x: (chain(depth - 1, c, x), None), c, x)
        return (fnp.sin(x[0]) if depth == 0 else c[0] * 1.0, *c[:-1])

    def f(x):
        return chain(3, tuple([fnp.ones(()).astype("float64") * k for k in range(20)]), x)[-1]

    x = fnp.ones((2, 2, 2, 1)).astype("float64")
    fl.clear_caches()
    before = common.cache_sizes()["jvp"][0]
    fl.grad(f)(x)
    assert common.cache_sizes()["jvp"][0] - before <= 8


# ---- chunks that are computed again ----

KINDS = ["sqrt", "binomial", 1, 2, 3, 100]


@pytest.mark.parametrize("checkpoint", KINDS)
@pytest.mark.parametrize("reverse_order", [False, True])
def test_checkpoints_change_no_derivative(checkpoint, reverse_order):
    xs = fnp.array(rng.randn(7, 3))

    def loss(**options):
        def total(w, h, xs):
            cell = lambda h, x: (fnp.tanh(w @ h + x), h[0] * x)
            h, ys = lax.scan(cell, h, xs, reverse=reverse_order, **options)
            return fnp.sum(h**2) + fnp.sum(ys**2)

        return total

    f, g = loss(checkpoint=checkpoint), loss()
    want = fl.value_and_grad(g, (0, 1, 2))(W, H, xs)
    same(fl.value_and_grad(f, (0, 1, 2))(W, H, xs), want)
    same(fl.hessian(f, 1)(W, H, xs), fl.hessian(g, 1)(W, H, xs))
    many = fnp.stack([H, 2 * H])
    same(fl.vmap(fl.grad(f), (None, 0, None))(W, many, xs), fl.vmap(fl.grad(g), (None, 0, None))(W, many, xs))


def test_compiled_checkpoints():
    loss = lambda **options: lambda w: fnp.sum(lax.scan(lambda h, x: (fnp.tanh(w @ h + x), None), H, XS, **options)[0])
    for checkpoint in KINDS:
        same(fl.jit(fl.grad(loss(checkpoint=checkpoint)))(W), fl.grad(loss())(W))


def saved_for(length, checkpoint):
    f = lambda h: lax.scan(lambda h, _: (fnp.sin(h) * fnp.cos(h), None), h, length=length, checkpoint=checkpoint)[0]
    return saved_bytes(f, H)


def test_checkpoints_bound_what_is_saved():
    """Of the outermost loop: the values carried into its chunks, and nothing of what happens inside of them."""
    assert saved_for(100, None) >= 100 * H.nbytes
    assert saved_for(100, "sqrt") == 10 * H.nbytes and saved_for(400, "sqrt") == 20 * H.nbytes
    assert saved_for(100, 25) == 4 * H.nbytes
    assert saved_for(256, "binomial") == saved_for(4096, "binomial") == 4 * H.nbytes


def test_sizes_of_chunks():
    assert chunks.chunk_sizes("sqrt", 1000) == (40,)  # 25 chunks leave none over
    assert chunks.chunk_sizes("sqrt", 101) == (10,)
    assert chunks.chunk_sizes("binomial", 1024) == (256, 64, 16, 4)
    assert chunks.chunk_sizes("binomial", 3) == chunks.chunk_sizes(7, 7) == chunks.chunk_sizes("sqrt", 1) == ()


@pytest.mark.slow
def test_compiled_memory_is_that_of_the_checkpoints():
    h = fnp.ones(1000)
    temp = {}
    for length in (256, 1024):
        for checkpoint in (None, "sqrt", "binomial"):
            f = lambda h, n=length, c=checkpoint: fnp.sum(
                lax.scan(lambda h, _: (fnp.sin(h) * fnp.cos(h), None), h, length=n, checkpoint=c)[0])
            memory = fl.jit(fl.grad(f)).lower(h).compile().memory_analysis()
            temp[length, checkpoint] = memory.temp_size_in_bytes / h.nbytes
    assert temp[1024, None] > 1000
    assert temp[1024, "sqrt"] < 200 and temp[1024, "sqrt"] < 2.5 * temp[256, "sqrt"]
    assert temp[1024, "binomial"] < 80 and temp[1024, "binomial"] < temp[256, "binomial"] + 20


# ---- how it runs ----


@pytest.fixture
def compiled_runs(monkeypatch):
    count, real = [], host_scan.backend.run_values
    monkeypatch.setattr(host_scan.backend, "run_values", lambda *args: count.append(1) or real(*args))
    return count


def test_a_long_loop_that_comes_again_is_compiled(compiled_runs):
    cell = lambda c, x: (c * 0.9 + x, fnp.sin(c))
    xs = fnp.arange(200.0) / 200
    first = lax.scan(cell, 0.0, xs)
    assert not compiled_runs
    same(lax.scan(cell, 0.0, xs), first, 1e-5)
    assert len(compiled_runs) == 1
    with fl.disable_jit():
        lax.scan(cell, 0.0, xs)
    lax.scan(lambda c, x: (c + x, c), 0.0, xs[:10])
    lax.scan(lambda c, x: (c + x, c), 0.0, xs[:10])
    assert len(compiled_runs) == 1


def test_a_fresh_function_is_not_compiled_at_once(compiled_runs):
    for _ in range(4):
        lax.scan(lambda c, x: (c * 0.8 + x, fnp.cos(c)), 0.0, fnp.arange(200.0))
    assert not compiled_runs


def test_the_first_run_of_nested_loops_compiles_nothing(compiled_runs):
    inner = fl.jit(lambda c, x: (c * 0.7 + x, fnp.cos(c)))
    fl.grad(lambda c: lax.scan(lambda c, x: (lax.scan(inner, c, fnp.arange(200.0))[0], None), c, length=5)[0])(1.0)
    assert not compiled_runs


def test_a_loop_traces_its_body_once_and_with_types_only():
    calls = []

    def cell(c, x):
        calls.append((str(c), str(x)))
        return c + x, c

    lax.scan(cell, fnp.array(1.0, "float32"), fnp.arange(50.0))
    assert calls == [("Tracer<f32[] in scan>", "Tracer<f32[] in scan>")]


def test_effects_happen_once_per_turn_in_order():
    seen = []

    def cell(c, x):
        fl.debug.callback(lambda v: seen.append(float(v)), c, ordered=True)
        return c * x, c

    xs = fnp.array([1.0, 2.0, 3.0, 4.0])
    want = [1.0, 1.0, 2.0, 6.0]
    f = lambda xs, **options: lax.scan(cell, 1.0, xs, **options)[0]
    chunks = lambda xs: f(xs, checkpoint="sqrt")
    runs = [f, fl.jit(f), fl.grad(f), fl.jit(fl.grad(f)), lambda xs: f(xs, unroll=3), chunks, fl.grad(chunks),
            fl.jit(fl.grad(chunks)), lambda xs: fl.jvp(f, (xs,), (xs,))]  # fmt: skip
    for k, run in enumerate(runs):
        seen.clear()
        fl.block_until_ready(run(xs))
        assert seen == want, k


# ---- bad input ----


@pytest.mark.parametrize("message, run", [
    (r"scan takes a function, got int at", lambda: lax.scan(3, 0.0, XS)),
    (r"must return a pair \(carry, y\), got Tracer, at", lambda: lax.scan(lambda c, x: c + x, H, XS)),
    (r"differ at the root: tuple of 2 against tuple of 1, at", lambda: lax.scan(lambda c, x: ((c[0],), x), (H, H), XS)),
    (r"\['a'\]  f64\[3\]  f64\[\] +<- another shape, made at test_scan.py",
     lambda: lax.scan(lambda c, x: ({"a": fnp.sum(c["a"])}, x), {"a": H}, XS)),
    (r"returned str 'no' as y, at", lambda: lax.scan(lambda c, x: (c, "no"), H, XS)),
    (r"the initial carry at \['a'\] is no array: .* got str", lambda: lax.scan(lambda c, x: (c, x), {"a": "no"}, XS)),
    (r"5 of xs at \[0\] \(f64\[5,3\]\), 3 of xs at \[1\] \(f64\[3\]\)",
     lambda: lax.scan(lambda c, x: (c, x), H, (XS, H))),
    (r"5 of xs \(f64\[5,3\]\), length=4", lambda: lax.scan(lambda c, x: (c, x), H, XS, length=4)),
    (r"the length is -1, at", lambda: lax.scan(lambda c, x: (c, x), H, length=-1)),
    (r"length must be an int, got float 2.5", lambda: lax.scan(lambda c, x: (c, x), H, length=2.5)),
    (r"neither xs nor a length", lambda: lax.scan(lambda c, x: (c, x), H)),
    (r"length is a traced value i32\[\]", lambda: fl.jit(lambda n: lax.scan(lambda c, x: (c, x), H, length=n))(3)),
    (r"xs is f64\[\], which has no rows", lambda: lax.scan(lambda c, x: (c, x), H, XS[0, 0])),
    (r"unroll is 0", lambda: lax.scan(lambda c, x: (c, x), H, XS, unroll=0)),
    (r"checkpoint='log'", lambda: lax.scan(lambda c, x: (c, x), H, XS, checkpoint="log")),
    (r"checkpoint is 0", lambda: lax.scan(lambda c, x: (c, x), H, XS, checkpoint=0)),
    (r"batch_size is 0", lambda: lax.map(fnp.sin, XS, batch_size=0)),
    (r"neither xs nor a length", lambda: lax.map(fnp.sin, ())),
    (r"lengths along axis 1 disagree.*3 of elems at \[0\]",
     lambda: lax.associative_scan(lambda a, b: a, (XS, W[:, :2]), axis=1)),
    (r"must return elements like those it was given, f64\[2,3\], got f64\[\]",
     lambda: lax.associative_scan(lambda a, b: fnp.sum(a), XS)),
    (r"has no axis 2", lambda: lax.associative_scan(fnp.add, XS, axis=2)),
])  # fmt: skip
def test_bad_input(message, run):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        run()
    assert "test_scan.py:" in str(caught.value)


def test_a_body_may_not_look_at_values():
    with pytest.raises(fl.ConcretizationError, match="but `scan` of `cell` traces with types only"):

        def cell(c, x):
            return (c if c > 0 else -c), x

        lax.scan(cell, 1.0, XS)


def test_a_tracer_that_escaped_from_a_body_is_named():
    kept = []
    lax.scan(lambda c, x: (kept.append(c) or c, x), H, XS)
    with pytest.raises(fl.LeakedTracerError, match="escaped from `scan` of `<lambda>`"):
        lax.scan(lambda c, x: (kept[0], x), H, XS)


# ---- map and associative_scan ----


@pytest.mark.parametrize("n", [0, 1, 6, 7])
@pytest.mark.parametrize("batch_size", [None, 1, 3, 10])
def test_map(n, batch_size):
    xs = {"a": fnp.array(rng.randn(n, 3)), "b": fnp.arange(n)}
    f = lambda x: (W @ x["a"] * x["b"], x["b"] + 1, fnp.ones(2), H)
    rows = [f({"a": xs["a"][i], "b": xs["b"][i]}) for i in range(n)]
    run = lambda xs: lax.map(f, xs, batch_size=batch_size)
    for got in (run(xs), fl.jit(run)(xs)):
        assert [y.shape for y in got] == [(n, 3), (n,), (n, 2), (n, 3)]
        if n:
            same(got, tree.map(lambda *r: fnp.stack(r), *rows))
    loss = lambda a: fnp.sum(run({"a": a, "b": xs["b"]})[0] ** 2)
    same(fl.grad(loss)(xs["a"]), 2 * (xs["a"] @ W.T) @ W * (xs["b"] ** 2)[:, None], 1e-8)


def test_map_by_blocks_asks_for_mapping_rules():
    @fl.custom_batching.custom_vmap
    def f(x):
        return fnp.sin(x)

    @f.def_vmap
    def rule(axis_size, in_batched, x):
        return fnp.cos(x) + axis_size, True

    x = fnp.arange(5.0)
    same(lax.map(f, x), fnp.sin(x), 1e-6)
    same(lax.map(f, x, batch_size=2), fnp.cos(x) + fnp.array([2.0, 2.0, 2.0, 2.0, 1.0]), 1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("axis, reverse_order", [(0, False), (1, True), (-2, True)])
def test_associative_scan(n, axis, reverse_order):
    """Of affine functions x -> a x + b under composition, which does not commute."""
    shape = (n, 2) if axis != 1 else (2, n)
    a, b = fnp.array(rng.randn(*shape)), fnp.array(rng.randn(*shape))
    combine = lambda f, g: {"a": f["a"] * g["a"], "b": g["a"] * f["b"] + g["b"]}
    run = lambda a, b: lax.associative_scan(combine, {"a": a, "b": b}, reverse=reverse_order, axis=axis)

    def plain(a, b):
        a, b = (fnp.swapaxes(x, 0, axis) for x in (a, b))
        total, made = None, []
        for i in reversed(range(n)) if reverse_order else range(n):
            total = {"a": a[i], "b": b[i]} if total is None else combine(total, {"a": a[i], "b": b[i]})
            made.append(total)
        made = made[::-1] if reverse_order else made
        return tree.map(lambda *rows: fnp.stack(rows, axis), *made)

    same(run(a, b), plain(a, b) if n else {"a": a, "b": b})
    if n in (1, 5, 8):
        same(fl.jit(run)(a, b), plain(a, b))
        total = lambda f: fl.grad(lambda a, b: fnp.sum(f(a, b)["b"] ** 2), (0, 1))(a, b)
        same(total(run), total(plain))


def test_associative_scan_calls_its_function_a_few_times():
    calls = []
    got = lax.associative_scan(lambda a, b: calls.append(1) or a + b, fnp.arange(1000.0).astype("float64"))
    same(got, fnp.cumsum(fnp.arange(1000.0).astype("float64")))
    assert len(calls) <= 20
