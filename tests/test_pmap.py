"""pmap on eight devices of the CPU: as vmap, under every transform; arrays that lie on devices; what is refused."""

import gc
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.inspect import make_graph
from functorch_lite.array import ShardedArray
from functorch_lite.ir import check

COUNT = 8


def alike(got, want, rtol=1e-5):
    for g, w in zip(fl.tree.leaves(got), fl.tree.leaves(want), strict=True):
        assert np.shape(g) == np.shape(w) and g.dtype == w.dtype
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=rtol, atol=1e-4)


def ring(n):
    return [(i, (i + 1) % n) for i in range(n)]


# ---- drawn programs: pmap is vmap, and so are their derivatives ----

STEPS = {
    "psum": lambda x, w: x + lax.psum(x, "i") / 20,
    "pmean": lambda x, w: x - lax.pmean(x * w, "i"),
    "pmax": lambda x, w: x + lax.pmax(x, "i") / 4,
    "groups": lambda x, w: lax.psum(x, "i", axis_index_groups=_halves()) / 4,
    "ring": lambda x, w: lax.ppermute(x, "i", ring(lax.axis_size("i"))),
    "gather": lambda x, w: fnp.tanh(lax.all_gather(x, "i")).sum(0) / 4,
    "scatter": lambda x, w: lax.psum_scatter(fnp.outer(fnp.arange(lax.axis_size("i")) / 8.0, x), "i"),
    "exchange": lambda x, w: lax.all_to_all(fnp.outer(fnp.ones(lax.axis_size("i")), x), "i", 0, 0).mean(0),
    "index": lambda x, w: x * (lax.axis_index("i") / 7.0 + 0.5),
    "sin": lambda x, w: fnp.sin(x * w),
    "shared": lambda x, w: w * fnp.cos(lax.psum(w * w, "i")) + x,
    "scan": lambda x, w: lax.scan(lambda c, k: (c + k * lax.pmean(fnp.sin(x), "i"), None), x, fnp.arange(3.0))[0],
    "while": lambda x, w: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * w + 0.1), (0, x))[1],
    "cond": lambda x, w: lax.cond(x[0] > 0, lambda x: x * w, lambda x: fnp.cos(x), x),
    "jit": lambda x, w: fl.jit(lambda x: lax.pmean(x, "i") * x + w)(x),
    "remat": lambda x, w: fl.checkpoint(lambda x: fnp.sin(lax.psum(x * w, "i") / 4))(x) + x,
    "rows": lambda x, w: fl.vmap(lambda y, v: y * v + lax.pmean(y, "i"))(x, w),
}


def _halves():
    n = lax.axis_size("i")
    return [list(range(0, n, 2)), list(range(1, n, 2))]


programs = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4)


def program(names):
    def f(x, w):
        for name in names:
            x = STEPS[name](x, w)
        return x

    return f


def loss(f):
    return lambda x, w: lax.pmean(fnp.sum(fnp.sin(f(x, w))), "i")


def hvp(f):
    return lambda x, w: fl.jvp(lambda w: fl.grad(loss(f), 1)(x, w), (w,), (fnp.cos(w),))[1]


UNDER = {
    "value": lambda f: (f, 0),
    "grad in the rows": lambda f: (fl.grad(loss(f)), 0),
    "grad in what is shared": lambda f: (fl.grad(loss(f), 1), None),
    "jvp": lambda f: (lambda x, w: fl.jvp(f, (x, w), (fnp.cos(x), fnp.sin(w))), 0),
    "hvp": lambda f: (hvp(f), None),
}


@pytest.mark.parametrize("under", UNDER)
@pytest.mark.parametrize("rows", [COUNT, 2 * COUNT, 4])
@settings(max_examples=6, phases=[Phase.generate])
@given(names=programs)
def test_pmap_is_vmap(under, rows, names):
    f, out = UNDER[under](program(names))
    x, w = fnp.sin(fnp.arange(3.0 * rows)).reshape(rows, 3), fnp.array([0.5, -0.7, 1.1])
    axes = {"in_axes": (0, None), "out_axes": out, "axis_name": "i"}
    alike(fl.pmap(f, **axes)(x, w), fl.vmap(f, **axes)(x, w), rtol=1e-3)


@settings(max_examples=8, phases=[Phase.generate])
@given(names=programs)
def test_transforms_of_pmap(names):
    """Derivatives, maps and loops outside of it, compiled and not."""
    x, w = fnp.sin(fnp.arange(24.0)).reshape(8, 3), fnp.array([0.5, -0.7, 1.1])

    def whole(mapper):
        return lambda x, w: fnp.sum(fnp.sin(mapper(program(names), in_axes=(0, None), axis_name="i")(x, w)))

    p, v = whole(fl.pmap), whole(fl.vmap)
    many = fnp.stack([w, -w])
    for t in (
        lambda f: fl.grad(f, (0, 1)),
        lambda f: fl.jit(fl.grad(f, 1)),
        lambda f: lambda x, w: fl.jvp(f, (x, w), (fnp.cos(x), w)),
        lambda f: lambda x, w: fl.hvp(lambda w: f(x, w), w, fnp.cos(w)),
        lambda f: lambda x, w: fl.vmap(f, in_axes=(None, 0))(x, many),
        lambda f: fl.jit(lambda x, w: lax.scan(lambda c, k: (c + f(x, k), c), 0.0, many)),
    ):
        alike(t(p)(x, w), t(v)(x, w), rtol=1e-3)


@settings(max_examples=10, phases=[Phase.generate])
@given(names=programs)
def test_graphs_are_well_typed(names):
    f = fl.pmap(program(names), in_axes=(0, None), axis_name="i")
    x, w = fnp.ones((8, 3)), fnp.ones(3)
    total = lambda x, w: fnp.sum(f(x, w))
    for g in (f, fl.grad(total, (0, 1)), fl.hessian(total, 1)):
        check(make_graph(g)(x, w))
    check(make_graph(fl.vmap(f, in_axes=(None, 0)))(x, fnp.ones((2, 3))))


# ---- arguments ----


def test_axes_trees_and_keywords():
    tree = {"a": fnp.arange(16.0).reshape(2, 8), "b": (fnp.arange(8), 2.0)}
    f = lambda t, *, k: {"s": t["a"] * t["b"][1] + k, "t": t["b"][0]}
    axes = {"in_axes": ({"a": 1, "b": (0, None)},), "out_axes": {"s": 1, "t": 0}}
    alike(fl.pmap(f, **axes)(tree, k=fnp.arange(8.0)), fl.vmap(f, **axes)(tree, k=fnp.arange(8.0)))


def test_several_axes_within_devices():
    x = fnp.arange(16.0 * 3).reshape(3, 16)
    f = lambda x: (x * lax.axis_index("i"), lax.psum(x, "i"), lax.all_gather(x, "i"))
    axes = {"in_axes": 1, "out_axes": (1, None, 0), "axis_name": "i"}
    alike(fl.pmap(f, **axes)(x), fl.vmap(f, **axes)(x))


@pytest.mark.parametrize("rows", [COUNT, 2 * COUNT])
@pytest.mark.parametrize("name", ["psum", "pmax", "all_gather", "psum_scatter", "all_to_all"])
def test_groups(name, rows):
    groups = [[i for i in range(rows) if i % 2 == k] for k in (1, 0)]
    x = fnp.arange(float(rows * rows // 2)).reshape(rows, rows // 2)
    more = (0, 0) if name == "all_to_all" else ()
    f = lambda x: getattr(lax, name)(x, "i", *more, axis_index_groups=groups)
    alike(fl.pmap(f, axis_name="i")(x), fl.vmap(f, axis_name="i")(x))


def test_two_axes():
    x = fnp.arange(8.0 * 3).reshape(8, 3)
    inner = lambda x: lax.psum(x, ("i", "j")) + lax.axis_index("j") * lax.pmax(x, "i") + lax.axis_index(("i", "j"))
    for outer_map in (fl.pmap, fl.vmap):
        for inner_map in (fl.pmap, fl.vmap):
            got = outer_map(inner_map(inner, axis_name="j"), axis_name="i")(x)
            alike(got, fl.vmap(fl.vmap(inner, axis_name="j"), axis_name="i")(x))


def test_static_arguments_and_names():
    f = fl.pmap(lambda x, n, y: x * n + y, static_broadcasted_argnums=1)
    alike(f(fnp.arange(8.0), 3, fnp.ones(8)), fnp.arange(8.0) * 3 + 1)
    g = fl.pmap(lambda n, x: x[:n], static_broadcasted_argnums=0, in_axes=(None, 0))
    assert g(2, fnp.ones((8, 5))).shape == (8, 2)
    assert fl.pmap(lambda: lax.axis_index("i"), axis_name="i", axis_size=8)().tolist() == list(range(8))


def test_chosen_devices():
    last = fl.devices()[4:]
    y = fl.pmap(lambda x: x + lax.psum(x, "i"), axis_name="i", devices=last)(fnp.arange(4.0))
    assert [s.device for s in y.addressable_shards] == last
    alike(y, fnp.arange(4.0) + 6)


def test_numbers_of_other_dtypes():
    for dtype in ("bool", "int8", "uint64", "bfloat16", "float16", "float64", "complex64"):
        x = fnp.array(np.arange(8) % 3, dtype=dtype)
        f = lambda x: (lax.psum(x, "i"), lax.ppermute(x, "i", ring(8)), lax.all_gather(x, "i"))
        alike(fl.pmap(f, axis_name="i")(x), fl.vmap(f, axis_name="i")(x), rtol=1e-2)
    x = fnp.array(np.arange(8) % 3, dtype="bool")
    alike(fl.pmap(lambda x: lax.pmax(x, "i"), axis_name="i")(x), fl.vmap(lambda x: lax.pmax(x, "i"), axis_name="i")(x))


# ---- arrays on devices ----


def test_results_stay_where_they_are():
    x = fl.pmap(lambda x: x * 2)(fnp.arange(16.0).reshape(8, 2))
    assert type(x) is ShardedArray and isinstance(x, fl.Array)
    assert [s.device for s in x.addressable_shards] == fl.devices()
    assert [s.data.tolist() for s in x.addressable_shards][1] == [[4.0, 6.0]]
    assert x.addressable_shards[3].index == (slice(3, 4), slice(0, 2))
    assert x.sharding.shard_shape(x.shape) == (1, 2) and not x.sharding.is_fully_replicated
    before = x._shards
    y = fl.pmap(lambda x: x + 1)(x)
    z = fl.jit(lambda y: fnp.sin(y))(y)
    assert type(z) is ShardedArray and z.sharding is y.sharding and x._shards is before
    with pytest.raises(AttributeError):
        x._buffer
    alike(z, np.sin(np.arange(16.0, dtype=np.float32) * 2 + 1).reshape(8, 2))


def test_they_behave_like_any_array():
    x = fl.pmap(lambda x: x * 2)(fnp.arange(8.0))
    assert repr(x) == "Array([ 0.,  2.,  4.,  6.,  8., 10., 12., 14.], dtype=float32)" and str(x[1:3]) == "[2. 4.]"
    assert float(x.sum()) == 56.0 and (x + 1).tolist()[0] == 1.0 and x.at[0].set(5.0)[0] == 5.0
    alike(pickle.loads(pickle.dumps(x)), x)
    assert fl.device_get(x).dtype == np.float32 and x.block_until_ready() is x and x.is_ready()
    alike(fl.grad(lambda v: fnp.sum(v * x))(fnp.ones(8)), x)
    alike(fl.jit(lambda a, b: a * b)(x, fnp.ones(8)), x)
    captured = fl.jit(lambda a: a + x)
    alike(captured(1.0), x + 1)
    x.delete()
    assert x.is_deleted()
    with pytest.raises(RuntimeError, match="donated or deleted"):
        x + 1


def test_put_on_devices():
    parts = [fnp.full(3, float(i)) for i in range(8)]
    x = fl.device_put_sharded(parts, fl.devices())
    assert type(x) is ShardedArray and x.shape == (8, 3) and x.addressable_shards[2].data.tolist() == [[2.0] * 3]
    y = fl.device_put_replicated({"w": fnp.arange(3.0)}, fl.devices())["w"]
    assert y.shape == (8, 3) and y.addressable_shards[5].data.tolist() == [[0.0, 1.0, 2.0]]
    r = fl.replicate(fnp.arange(3.0))
    assert r.shape == (3,) and r.sharding.is_fully_replicated and len(r.addressable_shards) == 8
    alike(fl.pmap(lambda x, y: x + y)(x, y), np.arange(8.0, dtype="f4")[:, None] + np.arange(3.0, dtype="f4"))
    with pytest.raises(ValueError, match="one array for each"):
        fl.device_put_sharded(parts[:3], fl.devices())


def test_put_on_one_device_or_as_another_array():
    third = fl.devices()[3]
    x = fl.device_put(fnp.arange(8.0), third)
    assert x.devices() == {third} and x.device == third and x.tolist() == list(range(8))
    y = fl.jit(lambda a, b: fnp.sin(a) + b)(x, 1.0)
    assert y.device == third
    alike(y, np.sin(np.arange(8, dtype="f4")) + 1)
    rows = fl.pmap(lambda x: x)(fnp.ones(8))
    z = fl.device_put({"a": np.arange(8.0)}, rows.sharding)["a"]
    assert z.sharding is rows.sharding and z.dtype == np.float64 and fl.device_put(z, z.sharding) is z
    back = fl.device_put(z, fl.devices()[0])
    assert type(back) is fl.Array and back.devices() == {fl.devices()[0]}
    alike(fl.pmap(lambda a: a + 1)(x), fnp.arange(8.0) + 1)
    with pytest.raises(ValueError, match="is no device"):
        fl.device_put(x, "cpu")


def test_memory_is_given_back():
    x = fl.pmap(lambda x: x * 2)(fnp.ones((8, 1000)))
    ref = weakref.ref(x)
    buffer = x._shards
    del x
    gc.collect()
    assert ref() is None and sys.getrefcount(buffer) <= 3


def test_donation():
    step = fl.pmap(lambda x: x + 1, donate_argnums=0)
    x = fl.pmap(lambda x: x)(fnp.arange(8.0))
    y = step(x)
    assert x.is_deleted()
    alike(y, fnp.arange(8.0) + 1)
    with pytest.raises(RuntimeError, match="donated"):
        step(x)
    with pytest.raises(ValueError, match="passed a second time"):
        fl.pmap(lambda a, b: a + b, donate_argnums=(0, 1))(y, y)


@pytest.mark.slow
def test_many_steps_leave_memory_flat():
    resource = pytest.importorskip("resource")
    step, halve = fl.pmap(lambda x: x + lax.pmean(x, "i"), axis_name="i"), fl.pmap(lambda x: x / 2)
    x = fl.pmap(lambda x: x)(fnp.ones((8, 1000)))

    def run(n, x):
        for _ in range(n):
            x = halve(step(x))
        return x

    x = run(500, x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(4500, x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


# ---- effects, one device, settings ----


def test_effects_happen_once_per_row():
    seen = []

    def f(x):
        fl.debug.callback(lambda x: seen.append(float(x)), x)
        return x + lax.psum(x, "i")

    alike(fl.pmap(f, axis_name="i")(fnp.arange(8.0)), fnp.arange(8.0) + 28)
    assert sorted(seen) == list(range(8))


def test_under_disable_jit():
    with fl.disable_jit():
        alike(fl.vmap(lambda x: x + lax.psum(x, "i"), axis_name="i")(fnp.arange(8.0)), fnp.arange(8.0) + 28)


ALONE = """
import functorch_lite as fl, functorch_lite.numpy as fnp
from functorch_lite import lax
assert fl.local_device_count() == 1
y = fl.pmap(lambda x: x + lax.psum(x, "i"), axis_name="i")(fnp.arange(5.0))
assert y.tolist() == [10.0, 11.0, 12.0, 13.0, 14.0], y
try:
    fl.config.cpu_devices = 4
except RuntimeError as error:
    assert "after the 1 devices have been used" in str(error)
else:
    raise AssertionError("devices were set after their first use")
"""


def test_one_device_is_enough():
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", ALONE], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "8"])
def test_a_number_of_devices_is_a_positive_int(count):
    with pytest.raises(ValueError, match="positive int"):
        fl.config.cpu_devices = count


# ---- errors ----


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"12 rows, which 8 devices cannot share equally, at test_pmap.py:.*pad it to"):
        fl.pmap(lambda x: x)(fnp.ones(12))
    with pytest.raises(ValueError, match=r"pmap of .* the mapped axes need one size"):
        fl.pmap(lambda x, y: x + y)(fnp.ones(8), fnp.ones(4))
    with pytest.raises(ValueError, match="in_axes has 2 entries"):
        fl.pmap(lambda x: x, in_axes=(0, 0))(fnp.ones(8))
    with pytest.raises(TypeError, match="pmap: in_axes must be a tree of ints"):
        fl.pmap(lambda x: x, in_axes=("a",))
    with pytest.raises(ValueError, match="has no axis 1 to map over"):
        fl.pmap(lambda x: x, in_axes=1)(fnp.ones(8))
    with pytest.raises(ValueError, match=r"out_axes is None for a result .* that differs between rows"):
        fl.pmap(lambda x: x, out_axes=None)(fnp.ones(8))
    with pytest.raises(ValueError, match="out_axes 3 is no axis"):
        fl.pmap(lambda x: x, out_axes=3)(fnp.ones(8))


def test_names_and_devices():
    with pytest.raises(NameError, match="did you mean 'batch'"):
        fl.pmap(lambda x: lax.psum(x, "bacth"), axis_name="batch")(fnp.ones(8))
    with pytest.raises(ValueError, match="there is an axis 'i' already"):
        fl.pmap(lambda x: fl.vmap(lambda y: y, axis_name="i")(x), axis_name="i")(fnp.ones((8, 2)))
    with pytest.raises(ValueError, match="devices= must name some of"):
        fl.pmap(lambda x: x, devices=[3])
    with pytest.raises(NameError, match="has a collective over 'i'"):
        fl.pmap(lambda x: lax.cond(x > 3, lambda x: lax.psum(x, "i"), lambda x: x, x), axis_name="i")(fnp.arange(8.0))


# ---- examples ----


def test_all_reduce_by_a_ring():
    """Sum of all, by sending around what one holds: no device ever talks but to its neighbour."""

    def total(x):
        def step(carry, _):
            held, summed = carry
            held = lax.ppermute(held, "ring", ring(COUNT))
            return (held, summed + held), None

        return lax.scan(step, (x, x), None, length=COUNT - 1)[0][1]

    x = fnp.arange(24.0).reshape(8, 3)
    alike(fl.pmap(total, axis_name="ring")(x), np.tile(np.asarray(x).sum(0), (8, 1)))


def test_heat_equation_with_halos():
    """Explicit steps on a rod that lies in pieces on the devices, neighbours exchanging their ends."""
    u = fnp.array(np.random.default_rng(0).normal(size=64).astype("float32"))

    def piece(u):
        def step(u, _):
            left = lax.ppermute(u[-1], "rod", ring(COUNT))
            right = lax.ppermute(u[0], "rod", [(d, s) for s, d in ring(COUNT)])
            wide = fnp.concatenate([left[None], u, right[None]])
            return u + 0.2 * (wide[2:] - 2 * u + wide[:-2]), None

        return lax.scan(step, u, None, length=50)[0]

    got = fl.pmap(piece, axis_name="rod")(u.reshape(8, 8)).reshape(64)
    want = np.asarray(u)
    for _ in range(50):
        want = want + 0.2 * (np.roll(want, -1) - 2 * want + np.roll(want, 1))
    np.testing.assert_allclose(got, want, atol=1e-5)


# ---- what devices exchange ----


def test_collectives_are_listed_with_their_bytes():
    def step(w, x):
        loss = lambda w: lax.pmean(fnp.mean((x @ w) ** 2), "i")
        return w - fl.grad(loss)(w)

    f = fl.pmap(step, in_axes=(None, 0), out_axes=None, axis_name="i")
    (only,) = found = fl.collective_bytes(f)(fnp.ones((5, 3)), fl.ShapeDtypeStruct((8, 2, 5), "float32"))
    assert (only.name, only.axes, only.times, only.nbytes, found.nbytes) == ("psum", ("i",), 1, 60, 60)
    assert "psum        i     f32[5,3]  1      60     # test_pmap.py:" in repr(found)
    moving = fl.pmap(lambda x: lax.scan(lambda c, _: (lax.ppermute(c, "i", ring(8)), None), x, None, length=7)[0],
                     axis_name="i")  # fmt: skip
    assert fl.collective_bytes(moving)(fnp.ones((8, 4))).nbytes == 7 * 16
    until = fl.pmap(lambda x: lax.while_loop(lambda c: lax.pmax(c, "i") < 9, lambda c: c + 1, x), axis_name="i")
    assert [(c.name, c.repeated) for c in fl.collective_bytes(until)(fnp.ones(8))] == [("pmax", True)]
    local = fl.vmap(lambda x: lax.psum(x, "i"), axis_name="i")
    assert repr(fl.collective_bytes(local)(fnp.ones(8))) == "no collectives"


def test_an_array_on_one_device_has_one_part():
    x = fnp.ones((2, 3))
    (part,) = x.addressable_shards
    assert part.data is x and part.index == (slice(0, 2), slice(0, 3)) and part.device == x.device == fl.devices()[0]
    assert x.sharding.is_fully_replicated and x.devices() == {fl.devices()[0]}
    y = fl.pmap(lambda x: x)(fnp.ones(8))
    assert y.devices() == set(fl.devices()) and y.device is y.sharding
