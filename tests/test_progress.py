"""`progress`: what a loop tells while it runs, once, under every transform, and at no cost in between."""

import gc
import io
import sys
import weakref

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree
from functorch_lite.control.counted import distance, distance_graph
from functorch_lite.host.execute import run_values


class Bars:
    """Stands for tqdm, and remembers every bar: [total, description, turns told of, times told, times closed]."""

    def __init__(self):
        self.made = []

    def __call__(self, total, desc):
        bar = Bar(total, desc)
        self.made.append(bar)
        return bar

    def take(self):
        made, self.made = self.made, []
        return made


class Bar:
    def __init__(self, total, desc):
        self.total, self.desc, self.done, self.told, self.closed = total, desc, 0, 0, 0

    def update(self, n):
        assert n >= 0 and not self.closed
        self.done, self.told = self.done + n, self.told + 1

    def close(self):
        self.closed += 1


@pytest.fixture
def bars():
    fl.clear_caches()
    return Bars()


def one(bars, n, most=110):
    """There was one bar, which went to the end and was closed."""
    made = bars.take()
    assert [(b.done, b.closed) for b in made] == [(n, 1)], [(b.done, b.total, b.closed) for b in made]
    assert made[0].told <= most, made[0].told


def same(got, want, tol=1e-9):
    for a, b in zip(tree.leaves(got), tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


# ---- loops of x: (how to show a body) -> function of x, and the number of turns ----

N = 1234
X = fnp.asarray(np.linspace(-1, 1, N))
START = fnp.asarray(0.3, "float64")


def scanned(show, **options):
    return lambda x: lax.scan(show(lambda c, x: (fnp.sin(c) + x, c * x)), START, x, **options)


def mapped(show, **options):
    return lambda x: lax.map(show(lambda x: fnp.sin(x) * x), x, **options)


def counted(show, **options):
    return lambda x: lax.fori_loop(0, N, show(lambda i, c: fnp.cos(c) + x[i]), START, **options)


def dynamic(show):
    return lambda x: lax.fori_loop(0, fnp.sum(x > -9), show(lambda i, c: fnp.cos(c) + x[i]), START)


def until(show, **options):
    going, turn = lambda s: s[0] < N, lambda x: lambda s: (s[0] + 1, fnp.cos(s[1]) + x[s[0]])
    return lambda x: lax.while_loop(going, show(turn(x)), (0, START), **options)[1]


LOOPS = {
    "scan": scanned,
    "scan backward": lambda show: scanned(show, reverse=True),
    "scan unrolled": lambda show: scanned(show, unroll=5),
    "scan in chunks": lambda show: scanned(show, checkpoint=100),
    "scan by sqrt": lambda show: scanned(show, checkpoint="sqrt"),
    "scan binomial": lambda show: scanned(show, checkpoint="binomial"),
    "map": mapped,
    "fori": counted,
    "fori unrolled": lambda show: counted(show, unroll=4),
    "fori with checkpoints": lambda show: counted(show, checkpoints=20),
    "dynamic fori": dynamic,
    "while": until,
    "while with checkpoints": lambda show: until(show, checkpoints=16),
}
SLOW = {"scan unrolled", "scan in chunks", "scan binomial", "fori unrolled", "fori with checkpoints"}
MOST = {"while": 700, "while with checkpoints": 700}


def plain(body):
    return body


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_shows_one_bar_that_goes_to_the_end(loop, bars):
    make, most = LOOPS[loop], MOST.get(loop, 110)
    f = make(lambda body: fl.progress(body, "turns", bar=bars))
    want = make(plain)(X)
    for run in (f, f, f, fl.jit(f)):  # in Python, then compiled because it came again, then compiled
        same(run(X), want)
        one(bars, N, most)
    ir.check(fl.make_graph(f)(X))
    assert bars.take() == []


@pytest.mark.parametrize("loop", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LOOPS])
def test_derivatives_show_the_loop_once(loop, bars):
    make, most = LOOPS[loop], MOST.get(loop, 110)
    total = lambda f: lambda x: sum(fnp.sum(y**2) for y in tree.leaves(f(x)))
    f, g = total(make(lambda body: fl.progress(body, bar=bars))), total(make(plain))
    want = fl.grad(g)(X)
    for transform in (fl.grad, lambda f: fl.jit(fl.grad(f)), lambda f: lambda x: fl.vjp(f, x)[1](1.0)[0]):
        same(transform(f)(X), want)
        one(bars, N, most)
    same(fl.jvp(f, (X,), (X,)), fl.jvp(g, (X,), (X,)))
    one(bars, N, most)
    same(fl.jit(lambda x: fl.hvp(f, x, x))(X), fl.hvp(g, X, X))
    one(bars, N, most)
    ir.check(fl.make_graph(fl.grad(f))(X))


def test_what_is_computed_again_is_not_shown_again(bars):
    for make in (scanned, counted, until):
        f = lambda x: fnp.sum(tree.leaves(make(lambda body: fl.progress(body, bar=bars))(x))[0])
        again = lambda x: fnp.sum(tree.leaves(make(plain)(x))[0])
        same(fl.grad(fl.checkpoint(f))(X), fl.grad(again)(X))
        one(bars, N, 700)
        same(fl.jit(fl.grad(fl.checkpoint(f)))(X), fl.grad(again)(X))
        one(bars, N, 700)


@pytest.mark.parametrize("loop", ["scan", "map", "fori", "while", "scan by sqrt"])
def test_all_rows_of_vmap_are_one_loop(loop, bars):
    make, most = LOOPS[loop], MOST.get(loop, 110)
    f, g = make(lambda body: fl.progress(body, bar=bars)), make(plain)
    rows = fnp.stack([X, X * 0.5, -X])
    same(fl.vmap(f)(rows), fl.vmap(g)(rows))
    one(bars, N, most)
    total = lambda f: lambda x: fnp.sum(tree.leaves(f(x))[0])
    same(fl.jit(fl.vmap(fl.grad(total(f))))(rows), fl.vmap(fl.grad(total(g)))(rows))
    one(bars, N, most)


def test_rows_that_stop_each_at_its_time(bars):
    halve = lambda show: lambda x: lax.while_loop(lambda s: s[0] > 1.0, show(lambda s: (s[0] / 2, s[1] + 1)), (x, 0))
    f, g = halve(lambda body: fl.progress(body, bar=bars)), halve(plain)
    xs = fnp.asarray([1e30, 5.0, 0.1], "float64")
    for run in (fl.vmap(f), fl.jit(fl.vmap(f))):
        same(run(xs), fl.vmap(g)(xs))
        one(bars, 100)
    gradient = lambda f: fl.vmap(fl.grad(lambda x: f(x)[0]))
    same(fl.jit(gradient(f))(xs), gradient(g)(xs))
    one(bars, 100)
    dynamic = lambda show: lambda n: lax.fori_loop(0, n, show(lambda i, c: c * 1.5), 1.0)
    ns = fnp.asarray([3, 0, 300])
    same(fl.vmap(dynamic(lambda body: fl.progress(body, bar=bars)))(ns), fl.vmap(dynamic(plain))(ns), 1e-5)
    one(bars, 300)


def test_rows_that_take_different_branches(bars):
    def f(show):
        loop = lambda x: lax.fori_loop(0, 50, show(lambda i, c: fnp.sin(c)), x)
        return lambda x: lax.cond(x > 0, loop, lambda x: x, x)

    xs = fnp.asarray([0.5, -1.0, 2.0], "float64")
    same(fl.vmap(f(lambda body: fl.progress(body, bar=bars)))(xs), fl.vmap(f(plain))(xs))
    assert {b.done for b in bars.take()} == {50}


def test_a_loop_in_a_loop(bars):
    inner_bars = Bars()

    def f(outer, inner):
        turn = lambda c, x: (lax.fori_loop(0, 40, inner(lambda i, v: fnp.sin(v) + x), c), None)
        return lambda x: lax.scan(outer(turn), START, x)[0]

    xs = X[:7]
    shown = f(lambda b: fl.progress(b, "outer", bar=bars), lambda b: fl.progress(b, "inner", bar=inner_bars))
    want = f(plain, plain)(xs)
    for run in (shown, fl.jit(shown)):
        same(run(xs), want)
        one(bars, 7)
        assert [(b.done, b.closed) for b in inner_bars.take()] == [(40, 1)] * 7
    same(fl.jit(fl.grad(shown))(xs), fl.grad(f(plain, plain))(xs))
    one(bars, 7)
    assert [(b.done, b.closed) for b in inner_bars.take()] == [(40, 1)] * 7


@pytest.mark.parametrize("n", [0, 1, 2, 99, 100, 101, 199, 350])
def test_lengths(n, bars):
    show = lambda body: fl.progress(body, bar=bars)
    xs = fnp.ones(n, "float64")
    going = lambda s: s[0] < n
    loops = [
        lambda x: lax.scan(show(lambda c, x: (c + x, x)), START, x)[0],
        lambda x: lax.scan(show(lambda c, x: (c + x, x)), START, x, unroll=True)[0],
        lambda x: lax.fori_loop(0, fnp.asarray(n), show(lambda i, c: c + 1.0), START),
        lambda x: lax.while_loop(going, show(lambda s: (s[0] + 1, s[1] + 1.0)), (0, START))[1],
    ]
    for k, loop in enumerate(loops):
        for run in (loop, fl.jit(loop)):
            same(run(xs), START + n)
            if n:
                one(bars, n, 700)
            else:
                assert bars.take() == [], k


def test_other_rows_come_in_blocks(bars):
    f = lambda x: lax.map(fl.progress(fnp.sin, bar=bars), x, batch_size=100)
    for run in (f, fl.jit(f)):
        same(run(X), fnp.sin(X))
        one(bars, 12)
    same(lax.map(fl.progress(fnp.sin, bar=bars), X[:50], batch_size=100), fnp.sin(X[:50]))
    assert bars.take() == []


class Stop(Exception):
    pass


@pytest.mark.parametrize("transform", [lambda f: f, fl.jit, fl.grad, lambda f: fl.jit(fl.grad(f)), fl.vmap])
@pytest.mark.parametrize("loop", ["scan", "while"])
def test_a_loop_that_fails_closes_its_bar(transform, loop, bars):
    failing = [True]

    def at_300(i):
        if failing[0] and int(i) == 300:
            raise Stop

    def f(x):
        def turn(i, c):
            fl.debug.callback(at_300, i)
            return fnp.sin(c) + x

        show = fl.progress(lambda *s: turn(*s) if loop == "scan" else (s[0][0] + 1, turn(*s[0])), bar=bars)
        if loop == "scan":
            return lax.fori_loop(0, 1000, show, x)
        return lax.while_loop(lambda s: s[0] < 1000, show, (0, x))[1]

    x = fnp.ones(2, "float64") if transform is fl.vmap else fnp.asarray(1.0, "float64")
    run = transform(f)
    with pytest.raises(Stop):
        run(x)
    made = bars.take()
    assert made and all(b.closed == 1 for b in made) and made[0].done <= 310, [(b.done, b.closed) for b in made]
    failing[0] = False
    run(x)
    assert all(b.done == 1000 and b.closed == 1 for b in bars.take())


def test_a_branch_may_look_at_the_result(bars):
    """Outside of jit the loop is computed when Python asks; it is shown whenever it runs."""

    def f(x):
        y = scanned(lambda body: fl.progress(body, bar=bars))(x)[0]
        return y * 2 if y > -100 else y

    same(fl.grad(f)(X), 2 * fl.grad(lambda x: scanned(plain)(x)[0])(X))
    assert all(b.done == N and b.closed == 1 for b in bars.take())


def test_a_new_bar_is_the_same_program(bars):
    def run():
        return fl.jit(counted(lambda body: fl.progress(body, bar=bars)))(X)

    run()
    before = fl.cache_sizes()["_executable"]
    for _ in range(5):
        run()
    assert fl.cache_sizes()["_executable"] == before
    assert len(bars.take()) == 6


def test_displays_are_not_kept():
    fl.clear_caches()

    def run():
        bars = Bars()
        fl.jit(counted(lambda body: fl.progress(body, bar=bars)))(X)
        counted(lambda body: fl.progress(body, bar=bars))(X)
        return weakref.ref(bars)

    gone = run()
    gc.collect()
    assert gone() is None


def test_nothing_is_called_between_two_updates(bars):
    """The loop over the turns of a stretch holds no call; so one that tells runs as fast as one that does not."""
    for make in (counted, until, scanned):
        text = fl.jit(make(lambda body: fl.progress(body, bar=bars))).lower(X).as_text()
        inner = text[text.rindex("stablehlo.while") :]  # the last one begins inside of the one before
        assert text.count("stablehlo.while") == 2
        assert "custom_call" not in inner[inner.index("do {") : inner.index("stablehlo.return", inner.index("do {"))]


def test_how_often_a_loop_tells():
    for total in (0, 1, 99, 100, 250, 10**6):
        for done in (0, 1, 63, 64, 65, 1000, 10**6, 2**30):
            (got,) = run_values(distance_graph(), [np.int32(done), np.int32(total)])
            assert int(got) == distance(done, total)
    assert distance(7, 10**6) == 10**4 and distance(7, 0) == 1 and distance(2**20, 0) == 2**15


def test_the_total_of_a_while_loop_may_be_known(bars):
    f = until(lambda body: fl.progress(body, "fit", total=N, bar=bars))
    fl.jit(f)(X)
    (bar,) = bars.take()
    assert (bar.total, bar.desc, bar.done, bar.closed) == (N, "fit", N, 1) and bar.told <= 110
    fl.jit(until(lambda body: fl.progress(body, bar=bars)))(X)
    assert bars.take()[0].total is None
    fl.jit(until(lambda body: fl.progress(body, total=100, bar=bars)))(X)  # there are more turns than that
    assert bars.take()[0].done == N


def test_tqdm_is_used(capsys):
    def training(i, c):
        return c + 1.0

    assert float(fl.jit(lambda: lax.fori_loop(0, 500, fl.progress(training), 0.0))()) == 500
    shown = capsys.readouterr().err
    assert "training: 100%" in shown and "500/500" in shown and shown.endswith("\n")


def test_a_line_of_text_without_tqdm(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fl.jit(lambda: lax.fori_loop(0, 500, fl.progress(lambda i, c: c + 1.0, "fit"), 0.0))()
    fl.jit(lambda: lax.while_loop(lambda c: c < 500, fl.progress(lambda c: c + 1.0), 0.0))()
    first, second, rest = written.getvalue().split("\n")
    assert first.endswith("\rfit: 100% 500/500") and second.endswith("\r500") and not rest
    assert first.count("\r") < 20


def test_a_wrapped_body_is_the_body(bars):
    body = fl.progress(lambda c, x: (c + x, x), bar=bars)
    assert body(1.0, 2.0) == (3.0, 2.0)
    same(fl.grad(lambda x: body(x, x)[0])(1.0), 2.0)
    assert bars.take() == []


@pytest.mark.parametrize(("program", "message"), [
    (lambda: fl.progress(100), "progress takes a function, got int"),
    (lambda: fl.progress(lambda c: c, total=-1), "number of turns, got -1"),
    (lambda: fl.progress(lambda c: c, total=2.5), "number of turns, got 2.5"),
    (lambda: lax.scan(fl.progress(lambda c, x: (X, c)), 0.0, X), "`<lambda>` must return the carry in the types"),
    (lambda: lax.while_loop(lambda c: c < 3, fl.progress(lambda c: (c, c)), 0.0), "the tree it was given"),
])  # fmt: skip
def test_errors_are_those_of_the_body(program, message):
    with pytest.raises(TypeError, match=message) as error:
        program()
    assert "test_progress.py" in str(error.value)
