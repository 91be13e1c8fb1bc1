"""jit: caching, statics, donation, stages, captures, trees, memory."""

import gc

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.errors import ConcretizationError, DonatedError, UnhashableStaticError


def same(a, b, tol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


def counting(f):
    def traced(*args, **kwargs):
        traced.count += 1
        return f(*args, **kwargs)

    traced.count = 0
    return traced


def test_traced_once_per_types():
    f = counting(lambda x: x * 2)
    g = fl.jit(f)
    for x in (fnp.ones(3), np.zeros(3, np.float32), fnp.ones(3), fnp.arange(3.0)):
        same(g(x), np.asarray(x) * 2)
    assert f.count == 1
    g(fnp.ones(4))
    g(fnp.ones(3, "int32"))
    g(2.0)
    g(3.0)
    assert f.count == 4 and g.cache_size() == 4
    g.clear_cache()
    g(2.0)
    assert f.count == 5


def test_trees_keywords_and_scalars():
    f = fl.jit(lambda p, *rest, scale=1.0: {"y": (p["a"] * scale, [p["b"][0] + rest[0]]), "n": None})
    out = f({"a": fnp.ones(2), "b": (1.0,)}, 3, scale=2.0)
    same(out["y"][0], [2, 2])
    same(out["y"][1][0], 4)
    assert out["n"] is None
    assert fl.jit(lambda: fnp.ones(2))().shape == (2,)
    assert fl.jit(lambda x: (x, x, 1.0))(fnp.ones(2))[2] == 1.0
    assert fl.jit(lambda x: ())(1.0) == ()


def test_weak_types_agree_with_eager():
    for f in (lambda x: x * 2, lambda x: x + 1.5, lambda x: fnp.sin(x), lambda x: x):
        for x in (2, 2.0, fnp.float64(2), fnp.asarray(3), fnp.asarray([1.5], "float16")):
            a, b = f(fnp.asarray(x)), fl.jit(f)(x)
            assert (a.dtype, a.weak_type) == (b.dtype, b.weak_type), (x, a, b)
    assert (fl.jit(lambda x: x)(2.0) * fnp.ones(2, "float16")).dtype == np.float16


def test_static_arguments():
    f = counting(lambda x, n, flag=True: x * n if flag else x)
    g = fl.jit(f, static_argnums=1, static_argnames="flag")
    same(g(2.0, 3), 6)
    same(g(3.0, 3), 9)
    same(g(2.0, 4, flag=False), 2)
    same(g(2.0, n=3), 6)
    assert f.count == 3
    assert fl.jit(lambda x, axis: fnp.sum(x, axis), static_argnums=-1)(fnp.ones((2, 3)), 1).shape == (2,)
    same(fl.jit(lambda s, x: x * len(s), static_argnums=(0,))("abc", 2.0), 6)
    same(fl.jit(lambda x, f: f(x), static_argnames=["f"])(1.0, f=fnp.sin), np.sin(1.0))
    assert fl.jit(lambda n: fnp.zeros(n), static_argnums=0)(True + 1).shape == (2,)
    with pytest.raises(UnhashableStaticError, match=r"static argument 1 is a list.*test_jit.py:\d+"):
        g(2.0, [1])
    with pytest.raises(ValueError, match="takes 1 positional"):
        fl.jit(lambda x: x, static_argnums=3)
    with pytest.raises(ValueError, match="no such argument"):
        fl.jit(lambda x: x, static_argnames="y")
    with pytest.raises(TypeError, match=r"argument 0 .* is no array"):
        fl.jit(lambda s: s)("text")


def test_equal_statics_of_different_types_are_different():
    f = fl.jit(lambda x, n: x + n, static_argnums=1)
    assert f(fnp.asarray(1, "int32"), 1).dtype == np.int32 and f(fnp.asarray(1, "int32"), 1.0).dtype == np.float32
    assert f(fnp.asarray(1, "int32"), True).dtype == np.int32


def test_donation():
    f = fl.jit(lambda x, y: (x + y, y), donate_argnums=0)
    x, y = fnp.asarray(np.arange(100_000.0)), fnp.ones(100_000)
    out = f(x, y)[0]
    same(out[:3], [1, 2, 3])
    assert x.is_deleted() and not y.is_deleted()
    for use in (lambda: x + 1, lambda: np.asarray(x), lambda: f(x, y), lambda: fl.jit(fnp.sin)(x), lambda: float(x[0])):
        with pytest.raises(DonatedError, match=r"test_jit.py:\d+.*donat|donat.*test_jit.py:\d+"):
            use()
    with pytest.raises(ValueError, match="donated and passed a second time"):
        f(y, y)
    same(y[:2], [1, 1])
    named = fl.jit(lambda state, x: state + x, donate_argnames=("state",))
    state = fnp.zeros(1000)
    for _ in range(3):
        state = named(state, 1.0)
    same(state[:2], [3, 3])


def test_donated_memory_of_numpy_is_not_overwritten():
    raw = np.zeros(100_000, np.float32)
    x = fnp.asarray(raw)
    view = np.asarray(x)
    fl.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert not raw.any() and not view.any()


def test_donation_inside_a_transform_is_ignored():
    f = fl.jit(lambda x: fnp.sin(x) * x, donate_argnums=0)
    x = fnp.asarray(np.array([0.1, 0.2]))
    g = lambda x: fnp.sum(fnp.sin(x) * x)
    same(fl.grad(lambda x: fnp.sum(f(x)))(x), fl.grad(g)(x))
    same(fl.vmap(f)(x), np.sin(np.asarray(x)) * np.asarray(x))
    assert not x.is_deleted()


def test_captures_are_inputs_read_when_traced():
    w = fnp.asarray(np.arange(1000.0))
    f = fl.jit(lambda x: x + w)
    same(f(1.0)[:2], [1, 2])
    assert "dense<[" not in f.lower(1.0).as_text()
    assert len(f.trace(1.0).graph.ins) == 2


def test_unused_arguments_are_dropped():
    f = lambda x, unused: x * 2
    assert f"{fl.jit(f).lower(1.0, np.ones(1000)).as_text()}".count("%arg1") == 0
    assert "%arg1" in fl.jit(f, keep_unused=True).lower(1.0, np.ones(1000)).as_text()
    same(fl.jit(f)(2.0, np.ones(1000)), 4)
    same(fl.jit(f, keep_unused=True)(2.0, np.ones(1000)), 4)


REPEATED = {
    "trees": (lambda p, x: p["w"] * x, {}, [{"w": 2.0}, 3.0], {}),
    "keywords": (lambda x, y: x - y, {}, [5.0], {"y": 2.0}),
    "captured": (lambda x: x * WEIGHTS, {}, [3.0], {}),
    "dropped": (lambda x, y, z: x - z, {}, [5.0, 7.0, 2.0], {}),
    "captured and dropped": (lambda x, y, z: WEIGHTS * (x - z), {}, [5.0, 7.0, 2.0], {}),
    "weak results": (lambda x: (x * 2, 1.5), {}, [3.0], {}),
    "static": (lambda x, n: x**n, {"static_argnums": 1}, [3.0, 4], {}),
    "static by name": (lambda x, n: x**n, {"static_argnames": "n"}, [3.0], {"n": 4}),
    "donated": (lambda x, y: x - y, {"donate_argnums": 0}, [5.0, 2.0], {}),
}
WEIGHTS = fnp.asarray(np.arange(1.0, 4.0))


@pytest.mark.parametrize("kind", REPEATED)
def test_the_same_call_again_takes_the_short_way(kind, monkeypatch):
    f, options, args, kwargs = REPEATED[kind]
    arrays = lambda: [fl.tree.map(lambda a: a if isinstance(a, int) else fnp.asarray(np.full(3, a)), a) for a in args]
    named = {k: v if isinstance(v, int) else fnp.asarray(np.full(3, v)) for k, v in kwargs.items()}
    g, want = fl.jit(f, **options), f(*arrays(), **named)
    slow, taken = type(g)._general, []
    monkeypatch.setattr(type(g), "_general", lambda *given: taken.append(1) or slow(*given))
    for _ in range(3):
        got = g(*arrays(), **named)
        for a, b in zip(fl.tree.leaves(got), fl.tree.leaves(want), strict=True):
            same(a, b)
            assert a.weak_type == (kind == "weak results" and not a.shape)
    assert len(taken) == 1


def test_a_tree_that_looks_like_keywords_is_another_call():
    f = fl.jit(lambda *args, **kwargs: fnp.ones(2) * (len(args) * 10 + len(kwargs)))
    x, y = fnp.ones(2), fnp.ones(3)
    for _ in range(2):
        same(f(x, y=y), [11, 11])
        same(f((x,), {"y": y}), [20, 20])
        same(f(((x,), {"y": y})), [10, 10])


def test_captured_memory_that_was_given_away():
    w = fnp.arange(3.0)
    f, x = fl.jit(lambda x: x + w), fnp.ones(3)
    same(f(x), [1, 2, 3])
    w.delete()
    for _ in range(2):
        with pytest.raises(DonatedError, match=r"test_jit.py:\d+"):
            f(x)


def test_stages():
    f = fl.jit(lambda x, y: {"z": fnp.dot(x, y)}, static_argnums=())
    spec = fl.ShapeDtypeStruct((2, 2), "float32")
    traced = f.trace(spec, spec)
    assert "dot" in str(traced.graph) and traced.out_info["z"].shape == (2, 2)
    lowered = traced.lower()
    assert "stablehlo.dot_general" in lowered.as_text() and "HloModule" in lowered.as_text("hlo")
    compiled = lowered.compile()
    same(compiled(fnp.ones((2, 2)), fnp.eye(2))["z"], np.ones((2, 2)))
    assert compiled.cost_analysis()["flops"] > 0 and compiled.memory_analysis().output_size_in_bytes == 16
    assert "HloModule" in compiled.as_text() and compiled.out_info["z"].dtype == np.float32
    with pytest.raises(TypeError, match=r"was compiled for \(f32\[2,2\], f32\[2,2\]\), got \(f32\[3\], f32\[3\]\)"):
        compiled(fnp.ones(3), fnp.ones(3))
    with pytest.raises(ValueError, match="no dialect"):
        lowered.as_text("swahili")
    assert f.eval_shape(spec, spec)["z"] == fl.ShapeDtypeStruct((2, 2), "float32")


def test_methods_and_decorators():
    class Model:
        def __init__(self, w):
            self.w = w

        @fl.jit
        def static_free(x):
            return x * 2

        def __hash__(self):
            return id(self)

        def __eq__(self, other):
            return self is other

    class Other(Model):
        from functools import partial

        @partial(fl.jit, static_argnums=0)
        def apply(self, x):
            return x * self.w

    assert float(Model.static_free(2.0)) == 4
    m = Other(3.0)
    assert float(m.apply(2.0)) == 6 and m.apply.lower(2.0) is not None

    @fl.jit(static_argnames=("n",))
    def f(x, *, n):
        """Doc."""
        return x * n

    assert f.__name__ == "f" and f.__doc__ == "Doc." and float(f(2.0, n=3)) == 6


def test_disable_jit_and_print(capsys):
    f = fl.jit(lambda x: (print("value", float(x)), x * 2)[1])
    with fl.disable_jit():
        same(f(2.0), 4)
    assert "value 2.0" in capsys.readouterr().out
    with pytest.raises(ConcretizationError):
        f(2.0)


def test_inline():
    f = fl.jit(lambda x: fnp.sin(x) * x, inline=True)
    assert "call" not in str(fl.make_graph(lambda x: f(x) + 1)(1.0))
    assert "call" in str(fl.make_graph(lambda x: fl.jit(fnp.sin)(x) + 1)(1.0))


def test_settings_are_part_of_the_key():
    f = fl.jit(lambda: fnp.ones(2))
    assert f().dtype == np.float32
    with fl.config.default_dtype("float64"):
        assert f().dtype == np.float64
    assert f().dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["constant", "literals", "lambdas", "trip counts", "jit lambdas"])
def test_memory_stays_flat(kind):
    def rss():
        gc.collect()
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096

    x = fnp.arange(3.0)

    def step(k):
        if kind == "constant":
            fl.grad(lambda x: fnp.sum(x * x))(x)
        elif kind == "literals":
            fl.grad(lambda x: fnp.sum(x * (k + 0.5)))(x)
        elif kind == "lambdas":
            fl.grad(lambda x: fnp.sum((lambda y: y * y)(x)))(x)
        elif kind == "trip counts":
            f = lambda x: fnp.sum(x)
            fl.grad(lambda x: f(sum([x * 1.5 for _ in range(k % 60)], x)))(x)
        else:
            fl.jit(lambda x: x * 2)(x)

    steps = {"trip counts": 1500}.get(kind, 6000)
    for k in range(steps // 2):
        step(k)
    before = rss()
    for k in range(steps // 2, steps):
        step(k)
    assert rss() - before < 40e6, fl.cache_sizes()


def test_results_that_are_no_arrays():
    with pytest.raises(TypeError, match=r"`f` returned str 'text' at \['a'\]"):

        def f(x):
            return {"a": "text"}

        fl.jit(f)(1.0)
    with pytest.raises(TypeError, match="returned function"):
        fl.jit(lambda x: fnp.sin)(1.0)


def test_stages_tell_their_arguments():
    f = fl.jit(lambda x, n, *, k: {"y": x["a"] * n + k}, static_argnums=1)
    args = {"a": fnp.ones(3)}, 2
    for stage in (f.trace(*args, k=1.0), f.lower(*args, k=1.0), f.lower(*args, k=1.0).compile()):
        (given,), named = stage.args_info
        assert given["a"] == fl.ShapeDtypeStruct((3,), "float32") and named["k"].weak_type
        assert stage.in_tree == fl.tree.structure((({"a": 0},), {"k": 0}))
        assert stage.out_tree == fl.tree.structure({"y": 0})
        assert stage.out_info["y"].shape == (3,)


def test_compiled_functions_are_not_traced_through():
    compiled = fl.jit(lambda x: x * 2).lower(3.0).compile()
    same(compiled(4.0), 8)
    with pytest.raises(TypeError, match=r"traced value at test_jit\.py"):
        fl.grad(compiled)(1.0)


def test_an_argument_is_static_or_donated():
    with pytest.raises(ValueError, match="static and donated"):
        fl.jit(lambda x, y: y, static_argnums=0, donate_argnames="x")
    with pytest.raises(TypeError, match="static_argnames must be"):
        fl.jit(lambda x: x, static_argnames=0)
