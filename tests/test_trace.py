"""Frames: values on demand, captures, leaks, threads, exceptions. Each test is a program that breaks a naive tracer."""

import asyncio
import gc
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import trace
from functorch_lite.errors import ConcretizationError, LeakedTracerError


def same(a, b, tol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


# ---- computing against staging ----


def test_python_control_flow_sees_values_to_any_depth():
    relu = lambda x: x * 2.0 if x > 0 else x * 0.5
    cube = lambda x: relu(x) * x * x
    same(fl.grad(cube)(3.0), 54)
    same(fl.grad(fl.grad(cube))(3.0), 36)
    same(fl.grad(fl.grad(fl.grad(cube)))(3.0), 12)
    same(fl.jvp(cube, (-2.0,), (1.0,))[1], 6)
    same(fl.vjp(cube, -2.0)[1](1.0)[0], 6)
    same(fl.linearize(cube, -2.0)[1](1.0), 6)
    same(fl.jacrev(relu)(3.0), 2)
    same(fl.hessian(cube)(3.0), 36)


def test_branch_on_the_result_of_a_jitted_function():
    f = lambda x: 2 * x if fl.jit(fnp.sin)(x) > 0 else x
    same(fl.grad(f)(1.0), 2)
    same(fl.grad(f)(-1.0), 1)
    same(fl.grad(fl.grad(lambda x: f(x) * x))(1.0), 4)


def test_float_int_and_format_of_a_known_value():
    seen = []
    f = lambda x: (seen.append((float(x), int(x), f"{x:.1f}", bool(x))), x * x)[1]
    same(fl.grad(f)(2.5), 5)
    assert seen == [(2.5, 2, "2.5", True)]


def test_a_value_computes_only_its_ancestors_and_once():
    evaluations = []
    noisy_host = fnp.sin(1.0) is not None and trace.executor.bind

    def counting(prim, args, params):
        evaluations.append(prim.name)
        return noisy_host(prim, args, params)

    trace.executor.bind = counting
    try:
        fl.jvp(lambda x: (fnp.exp(x), x * 3.0 if fnp.sin(x) > 0 and fnp.sin(x) > -1 else x)[1], (1.0,), (1.0,))
    finally:
        trace.executor.bind = noisy_host
    assert "exp" not in evaluations and evaluations.count("sin") <= 2


def test_questions_cost_linear_time():
    def asked(steps):
        """How often Python calls anything while a loop asks for a value in every turn."""

        def f(x):
            y = x
            for _ in range(steps):
                y = y * 0.999
                if y < 0:
                    break
            return y

        count = 0

        def hook(frame, event, arg):
            nonlocal count
            count += event in ("call", "c_call")

        fl.clear_caches()
        sys.setprofile(hook)
        try:
            fl.jvp(f, (1.0,), (1.0,))
        finally:
            sys.setprofile(None)
        return count

    asked(20)
    assert asked(2000) < 12 * asked(200)


@pytest.mark.parametrize(
    "convert", [bool, float, int, range, lambda v: [1, 2, 3][v], np.asarray, lambda v: 1 if v > 0 else 2])
@pytest.mark.parametrize("transform", ["jit", "vmap"])
def test_abstract_values_have_no_value(convert, transform):
    x = fnp.arange(3) if transform == "vmap" else fnp.asarray(1)
    with pytest.raises(ConcretizationError, match=rf"`{transform}` of `f`.*") as error:

        def f(x):
            convert(x)
            return x

        getattr(fl, transform)(f)(x)
    assert "test_trace.py:" in str(error.value)


def test_a_captured_value_has_no_value_in_an_abstract_trace():
    w = fnp.asarray(1.0)
    with pytest.raises(ConcretizationError, match="jit"):
        fl.grad(lambda v: fl.jit(lambda y: y if v * 2 > 0 else -y)(1.0))(w)
    with pytest.raises(ConcretizationError, match="jit"):
        fl.jit(lambda w: fl.grad(lambda y: y * w if y > 0 else y)(2.0))(w)


def test_a_mapped_value_prints_its_rows(capsys):
    fl.vmap(lambda x: (print(x * 2), x)[1])(fnp.arange(3.0))
    assert "0. 2. 4." in capsys.readouterr().out


# ---- captures ----


def test_a_captured_array_that_changes_between_two_uses():
    w = np.array([1.0, 2.0, 3.0])

    def f(x):
        nonlocal w
        a = fnp.sum(x * w)
        w += 1
        return a + fnp.sum(x * w)

    same(fl.grad(f)(np.ones(3)), [3, 5, 7])
    w[:] = [1.0, 2.0, 3.0]
    x = np.ones(3)
    assert float(f(x)) == 6 + 9


def test_one_capture_is_one_input():
    w = fnp.arange(3.0)
    both = fl.make_graph(lambda x: x * w + x * w)(1.0)
    once = fl.make_graph(lambda x: [x * w, x * w][0])(1.0)
    assert len(both.ins) == len(once.ins) == 2
    raw = np.arange(3.0)
    assert len(fl.make_graph(lambda x: x * raw + x * raw)(1.0).ins) == 2


def test_results_share_no_memory_with_arguments():
    for f in (lambda x: x, lambda x: fnp.reshape(x, (3, 1)), lambda x: x[1:]):
        x = np.arange(3.0)
        y, t = fl.jvp(f, (x,), (x,))
        out, pullback = fl.vjp(f, x)
        before = np.array(y), np.array(t), np.array(out)
        x[:] = 9
        same(y, before[0])
        same(t, before[1])
        same(out, before[2])
        same(pullback(out)[0].sum(), before[2].sum())
    view = np.asarray(fnp.arange(3.0))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_masked_and_strange_arrays():
    with pytest.raises(TypeError, match="masked"):
        fnp.sin(np.ma.masked_array([1.0, 2.0], [True, False]))
    same(fnp.sin(np.array([1.0, 2.0], ">f8")), np.sin([1.0, 2.0]))
    assert fnp.sin(np.array([1.0], ">f8")).dtype == np.float64
    assert fnp.sum(np.matrix([[1.0, 2.0]])).shape == ()
    for bad in (np.array(["a"]), np.array([None]), np.array([object()])):
        with pytest.raises(TypeError, match="dtype"):
            fl.grad(fnp.sum)(bad)


# ---- leaks ----


def leak(how=fl.grad):
    kept = []
    how(lambda x: (kept.append(x * 1.0), fnp.sum(x))[1])(fnp.arange(3.0))
    return kept[0]


@pytest.mark.parametrize(
    "use",
    [fnp.sin, lambda x: x + 1, lambda x: x[0], lambda x: fnp.reshape(x, (-1, 1)), float, fnp.sum, bool,
     lambda x: fl.jit(fnp.sin)(x), lambda x: fl.grad(lambda y: fnp.sum(y * x))(fnp.ones(3)),
     lambda x: fl.vmap(lambda y: y * x)(fnp.ones(3))])  # fmt: skip
@pytest.mark.parametrize("how", [fl.grad, fl.jit, lambda f: fl.vmap(lambda x: f(x[None]))])
def test_a_tracer_that_escaped(use, how):
    kept = leak(how)
    with pytest.raises(LeakedTracerError, match=r"escaped from .*test_trace.py:\d+"):
        use(kept)
    same(fnp.sin(fnp.zeros(2)), [0, 0])


def test_a_pullback_used_later_and_elsewhere():
    pullbacks = []

    def f(x):
        y, pullback = fl.vjp(fnp.sin, x)
        pullbacks.append(pullback)
        return y * pullback(1.0)[0]

    same(fl.grad(f)(0.5), np.cos(1.0), 1e-5)
    with pytest.raises(LeakedTracerError):
        pullbacks[0](1.0)
    _, outside = fl.vjp(fnp.sin, 0.5)
    same(fl.grad(lambda x: x * outside(x)[0])(2.0), 4 * np.cos(0.5), 1e-5)


def test_generators_and_coroutines():
    def generator(x):
        yield x

    async def coroutine(x):
        return x

    for f in (generator, coroutine):
        for transform in (fl.jit, fl.grad, fl.vmap):
            with pytest.raises(TypeError, match="generator or coroutine"):
                transform(f)(fnp.ones(3))
    lazy = []
    fl.grad(lambda x: (lazy.append(y * 2 for y in [x]), x)[1])(1.0)
    with pytest.raises(LeakedTracerError):
        next(lazy[0])


def test_a_closed_frame_keeps_nothing():
    class Big:
        pass

    kept, big = [], []

    def f(x):
        y = fnp.ones(100_000) * x
        big.append(weakref.ref(y.frame))
        kept.append(x)
        return fnp.sum(y)

    tracemalloc.start()
    fl.grad(f)(1.0)
    gc.collect()
    assert tracemalloc.get_traced_memory()[0] < 300_000
    tracemalloc.stop()


# ---- threads and exceptions ----


def test_threads_trace_independently():
    def work(k):
        f = lambda x: fnp.sum(fnp.sin(x * k) * x)
        x = fnp.arange(3.0)
        return [np.asarray(fl.grad(f)(x)) for _ in range(20)] + [np.asarray(fl.vmap(fl.grad(fnp.sin))(x * k))]

    serial = [work(k) for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for a, b in zip(serial, pool.map(work, range(8)), strict=True):
            for x, y in zip(a, b, strict=True):
                same(x, y)


def test_a_tracer_in_another_thread():
    errors = []

    def f(x):
        def other():
            try:
                x * 2.0
            except LeakedTracerError as error:
                errors.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        asyncio.run(asyncio.to_thread(other))
        return x

    fl.grad(f)(1.0)
    assert len(errors) == 2


def test_exceptions_of_the_user_stay_theirs():
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("here")

    for transform in (fl.grad, fl.jit, fl.vmap, fl.jacfwd, fl.hessian, lambda f: fl.grad(fl.jit(f))):
        with pytest.raises(Mine, match="here"):
            transform(f)(fnp.ones(3))
    same(fnp.sin(fnp.zeros(2)), [0, 0])
    assert not trace.tracing


def test_a_caught_error_leaves_sources_right():
    def f(x):
        try:
            fnp.ones(2) + fnp.ones(3)
        except ValueError:
            pass
        return fnp.sin(x)

    line = f.__code__.co_firstlineno + 5
    assert f"# test_trace.py:{line}" in str(fl.make_graph(f)(1.0))


def test_an_interrupt_at_any_line_leaves_no_frame():
    """KeyboardInterrupt is raised at each line of tracing in turn; what follows computes as ever."""
    files = {trace.__file__}
    x = fnp.arange(3.0)

    def run(stop):
        count = 0

        def hook(frame, event, arg):
            nonlocal count
            if frame.f_code.co_filename not in files:
                return None
            if event == "line":
                count += 1
                if count == stop:
                    raise KeyboardInterrupt
            return hook

        sys.settrace(hook)
        try:
            fl.grad(lambda x: fnp.sum(x * x))(x)
            return False
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)

    stop = 1
    while run(stop):
        assert not trace.tracing and not trace._thread.frames
        same(fnp.sin(fnp.zeros(2)), [0, 0])
        same(fl.grad(lambda x: fnp.sum(x * x))(x), 2 * np.arange(3.0))
        stop += 1
    assert stop > 50


def test_unbounded_recursion_is_a_sentence():
    def f(x):
        return f(x * 0.5) if x is not None else x

    with pytest.raises(RecursionError, match="recursed too deeply while tracing"):
        fl.jit(f)(1.0)
    same(fnp.sin(fnp.zeros(2)), [0, 0])


@pytest.mark.filterwarnings("error")
def test_numpy_does_not_warn():
    with np.errstate(all="raise"):
        assert np.isinf(fnp.exp(fnp.asarray(1000.0))) and np.isnan(fnp.log(fnp.asarray(-1.0)))
        assert np.isinf(fnp.ones(3) / fnp.zeros(3)).all()
        assert np.isinf(fl.grad(fnp.log)(0.0))


def test_lines_of_equal_programs_are_each_callers_own():
    f = lambda x: fnp.sin(x) * x
    g = lambda x: fnp.sin(x) * x
    a, b = fl.make_graph(fl.grad(f))(1.0), fl.make_graph(fl.grad(g))(1.0)
    assert a == b and str(a) != str(b)
    assert f":{f.__code__.co_firstlineno}" in str(a) and f":{g.__code__.co_firstlineno}" in str(b)


def test_the_stale_trace_of_a_rebound_capture():
    class Holder:
        w = None

    apply = fl.jit(lambda y: Holder.w * y)

    def f(w):
        Holder.w = w
        return apply(1.0)

    same(fl.grad(f)(2.0), 1)
    same(fl.grad(lambda w: f(w * w))(2.0), 4)
    Holder.w = fnp.asarray(3.0)
    same(apply(2.0), 6)
