"""Indexing against NumPy: every kind of index, fetched and updated, eagerly, compiled, mapped and differentiated."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.errors import ConcretizationError, NonConcreteBooleanIndexError

UFUNCS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}


# ---- drawing ----


@st.composite
def slices(draw, size):
    bound = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3, -1, -2])))


@st.composite
def index_arrays(draw, size, batch):
    """Integers in bounds, of a shape that broadcasts to `batch`."""
    shape = tuple([draw(st.sampled_from([n, n, 1])) for n in batch])[draw(st.integers(0, len(batch))) :]
    count = int(np.prod(shape))
    made = draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)) if size else []
    dtype = draw(st.sampled_from([np.int64, np.int32, np.int8]))
    return np.array(made, dtype).reshape(shape if size else (0,))


@st.composite
def masks(draw, shape):
    count = int(np.prod(shape))
    return np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool).reshape(shape)


@st.composite
def entries(draw, shape, axes, batch):
    """Index entries for these axes."""
    made, k = [], 0
    while k < len(axes):
        size = shape[axes[k]]
        kind = draw(st.sampled_from(["int", "int", "slice", "slice", "array", "array", "mask", "none", "flag"]))
        if kind == "none":
            made.append(None)
            continue
        if kind == "flag":
            made.append(draw(st.sampled_from([True, np.False_])))
            continue
        if kind == "int" and size:
            made.append(draw(st.sampled_from([int, np.int32]))(draw(st.integers(-size, size - 1))))
        elif kind == "array":
            made.append(draw(index_arrays(size, batch)))
        elif kind == "mask":
            covers = draw(st.integers(1, min(2, len(axes) - k)))
            made.append(draw(masks(tuple([shape[a] for a in axes[k : k + covers]]))))
            k += covers
            continue
        else:
            made.append(draw(slices(size)))
        k += 1
    return made


@st.composite
def cases(draw):
    """(array, index): the index is what NumPy takes, or refuses with IndexError because arrays do not broadcast."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 0]), max_size=4)))
    n = len(shape)
    left = draw(st.integers(0, n))
    right = draw(st.integers(0, n - left))
    batch = draw(st.sampled_from([(2,), (3,), (2, 3), (1,), ()]))
    index = draw(entries(shape, list(range(left)), batch))
    if draw(st.booleans()):
        index += [Ellipsis, *draw(entries(shape, list(range(n - right, n)), batch))]
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape) + 1
    return x, tuple(index)


def numpy_answer(x, index):
    try:
        return x[index]
    except IndexError:
        return None


def as_ours(index):
    """Every other array as an Array."""
    return tuple([fnp.asarray(e) if isinstance(e, np.ndarray) and k % 2 else e for k, e in enumerate(index)])


def is_data(e):
    return isinstance(e, np.ndarray) and e.dtype != bool


def compiled(fun, x, index, *more):
    """`fun(x, index, *more)` under jit, with the integer arrays of the index as arguments."""
    data = [e for e in index if is_data(e)]

    def run(x, data, *more):
        it = iter(data)
        return fun(x, tuple([next(it) if is_data(e) else e for e in index]), *more)

    return fl.jit(run)(x, data, *more)


def same(ours, theirs):
    assert ours.shape == np.shape(theirs)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(np.asarray(ours), theirs)


# ---- fetching ----


@settings(max_examples=300)
@given(cases())
def test_fetch(case):
    x, index = case
    want = numpy_answer(x, index)
    if want is None:
        with pytest.raises(IndexError, match=r"test_indexing\.py"):
            fnp.asarray(x)[as_ours(index)]
    else:
        same(fnp.asarray(x)[as_ours(index)], want)
        if len(index) == 1:
            same(fnp.asarray(x)[index[0]], want)


@settings(max_examples=60)
@given(cases())
def test_fetch_general_way(case):
    """What tracers take, run by the host: eager gradients trace it with known values."""
    x, index = case
    want = numpy_answer(x, index)
    if want is not None:
        y, _ = fl.jvp(lambda v: v[as_ours(index)], (x,), (x,))
        same(y, want)


@settings(max_examples=50)
@given(cases())
def test_fetch_compiled(case):
    x, index = case
    want = numpy_answer(x, index)
    if want is not None:
        same(compiled(lambda v, i: v[i], x, index), want)


@settings(max_examples=60)
@given(cases(), st.integers(1, 3))
def test_fetch_mapped(case, size):
    x, index = case
    want = numpy_answer(x, index)
    if want is not None:
        rows = np.stack([x + 100 * k for k in range(size)])
        same(fl.vmap(lambda row: row[as_ours(index)])(rows), np.stack([row[index] for row in rows]))


@given(st.integers(1, 5), st.data())
def test_fetch_with_mapped_positions(n, data):
    x = np.arange(n * 3.0).reshape(n, 3)
    rows = np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=4)))
    same(fl.vmap(lambda i: fnp.asarray(x)[i])(rows), x[rows])
    same(fl.vmap(lambda i: fnp.asarray(x)[i, 1:])(rows), x[rows, 1:])
    same(fl.vmap(lambda i: fnp.asarray(x)[i, np.array([2, 0])])(rows), x[rows[:, None], [2, 0]])


def weighted(x, index):
    """Weights of what `x[index]` gives, and the gradient of their sum with it; None where NumPy refuses the index."""
    want = numpy_answer(x, index)
    if want is None:
        return None
    weights = np.arange(want.size, dtype=np.float32).reshape(want.shape) + 1
    expected = np.zeros_like(x)
    np.add.at(expected, index, weights)
    return weights, expected


@settings(max_examples=60)
@given(cases())
def test_gradient_of_fetch(case):
    x, index = case
    if found := weighted(x, index):
        weights, expected = found
        same(fl.grad(lambda v: fnp.sum(v[as_ours(index)] * weights))(x), expected)


@settings(max_examples=25)
@given(cases())
def test_gradient_of_fetch_compiled(case):
    x, index = case
    if found := weighted(x, index):
        weights, expected = found
        same(compiled(lambda v, i: fl.grad(lambda v: fnp.sum(v[i] * weights))(v), x, index), expected)


def test_lists_and_sequences_are_arrays():
    x = np.arange(12.0).reshape(3, 4)
    same(fnp.asarray(x)[[2, 0]], x[[2, 0]])
    same(fnp.asarray(x)[[True, False, True]], x[[True, False, True]])
    same(fnp.asarray(x)[[0, 1], [[1], [2]]], x[[0, 1], [[1], [2]]])
    same(fnp.asarray(x)[[]], x[[]])
    y = fl.jit(lambda x, i: x[[i, 0]])(x, 2)
    same(y, x[[2, 0]])


def test_unsigned_and_narrow_positions():
    x = np.arange(1000.0)
    for dtype in (np.uint8, np.int8, np.uint16, np.uint32, np.int16, np.uint64):
        i = np.array([0, 100, 5], dtype)
        same(fnp.asarray(x)[i], x[i])
        same(fl.jit(lambda x, i: x[i])(x, i), x[i])
    same(fl.jit(lambda x, i: x[i])(x, np.array([-1, -128], np.int8)), x[[-1, -128]])


# ---- what is recorded ----


def operations(fun, *args):
    graph = fl.make_graph(fun)(*args)
    return [eqn.prim.name for eqn in graph.eqns]


@pytest.mark.parametrize(
    ("index", "prims"),
    [
        (np.s_[1], ["slice", "reshape"]),
        (np.s_[1:3], ["slice"]),
        (np.s_[:], []),
        (np.s_[...], []),
        (np.s_[None], ["reshape"]),
        (np.s_[::-1], ["rev"]),
        (np.s_[1, ::-2], ["slice", "rev", "reshape"]),
        (np.s_[..., 0, None], ["slice"]),
        (np.s_[np.array([2, 0])], ["gather"]),
        (np.s_[0, np.array([2, 0])], ["slice", "reshape", "gather"]),
    ],
)
def test_few_operations(index, prims):
    assert operations(lambda x: x[index], np.ones((4, 5))) == prims


def test_traced_integer_is_a_dynamic_slice():
    assert operations(lambda x, i: x[i], np.ones((4, 5)), 1).count("dynamic_slice") == 1
    assert "gather" not in operations(lambda x, i, j: x[i, j], np.ones((4, 5)), 1, 2)


# ---- updating ----


@st.composite
def updates(draw):
    """(array, index, values that fit the indexed shape)."""
    x, index = draw(cases())
    want = numpy_answer(x, index)
    shape = () if want is None else np.shape(want)
    shape = tuple([draw(st.sampled_from([n, n, 1])) for n in shape])[draw(st.integers(0, len(shape))) :]
    count = int(np.prod(shape))
    made = draw(st.lists(st.integers(-3, 30), min_size=count, max_size=count))
    return x, index, np.array(made, np.float32).reshape(shape)


def positions(x, index):
    """Where in the raveled array the elements of `x[index]` stand."""
    return np.asarray(np.arange(x.size).reshape(x.shape)[index])


def numpy_update(name, x, index, values):
    where = positions(x, index)
    made = x.copy().reshape(-1)
    values = np.broadcast_to(values, where.shape).reshape(-1)
    if name == "set":
        made[where.reshape(-1)] = values
    else:
        UFUNCS[name].at(made, where.reshape(-1), values)
    return made.reshape(x.shape)


def repeats(x, index) -> bool:
    where = positions(x, index)
    return np.unique(where).size != where.size


@settings(max_examples=300)
@given(updates(), st.sampled_from(["set", *UFUNCS]))
def test_update(case, name):
    x, index, values = case
    if numpy_answer(x, index) is None:
        with pytest.raises(IndexError, match=r"test_indexing\.py"):
            getattr(fnp.asarray(x).at[as_ours(index)], name)(values)
        return
    before = fnp.asarray(x)
    if name == "set" and repeats(x, index):
        values = np.float32(7)
    same(getattr(before.at[as_ours(index)], name)(values), numpy_update(name, x, index, values))
    same(before, x)


@settings(max_examples=60)
@given(updates(), st.sampled_from(["set", *UFUNCS]))
def test_update_general_way(case, name):
    x, index, values = case
    if numpy_answer(x, index) is None:
        return
    if name == "set" and repeats(x, index):
        values = np.float32(7)
    y, _ = fl.jvp(lambda v: getattr(v.at[as_ours(index)], name)(values), (x,), (x,))
    same(y, numpy_update(name, x, index, values))


@settings(max_examples=50)
@given(updates(), st.sampled_from(["set", *UFUNCS]))
def test_update_compiled(case, name):
    x, index, values = case
    if numpy_answer(x, index) is None:
        return
    if name == "set" and repeats(x, index):
        values = np.float32(7)
    made = compiled(lambda v, i, values: getattr(v.at[i], name)(values), x, index, values)
    same(made, numpy_update(name, x, index, values))


@settings(max_examples=60)
@given(updates(), st.sampled_from(["set", "add", "multiply"]))
def test_gradient_of_update(case, name):
    """Against differences: all three are linear in the array and in the values apart, where nothing repeats."""
    x, index, values = case
    if numpy_answer(x, index) is None or repeats(x, index):
        return
    weights = np.arange(x.size, dtype=np.float32).reshape(x.shape) + 1

    def loss(x, values):
        return fnp.sum(getattr(x.at[as_ours(index)], name)(values) * weights)

    dx, dv = fl.grad(loss, (0, 1))(x, values)
    zero = np.zeros_like(x)
    mask = numpy_update("set", np.ones_like(x), index, np.float32(0))
    keep = {"set": mask, "add": np.ones_like(x), "multiply": numpy_update("set", np.ones_like(x), index, values)}[name]
    np.testing.assert_allclose(np.asarray(dx), keep * weights)
    factor = {"set": np.ones_like(x), "add": np.ones_like(x), "multiply": x}[name]
    per_element = (factor * weights)[index]
    lead = per_element.ndim - values.ndim
    summed = per_element.sum(tuple(range(lead)))
    ones = tuple([k for k, n in enumerate(values.shape) if n == 1])
    np.testing.assert_allclose(np.asarray(dv), summed.sum(ones, keepdims=True).reshape(values.shape))
    assert zero.shape == dx.shape


def test_other_updates():
    x = fnp.array([1.0, 2.0, 4.0])
    i = fnp.array([0, 2, 2])
    np.testing.assert_allclose(np.asarray(x.at[i].subtract(1.0)), [0, 2, 2])
    np.testing.assert_allclose(np.asarray(x.at[i].divide(2.0)), [0.5, 2, 1])
    np.testing.assert_allclose(np.asarray(x.at[i].power(2.0)), [1, 2, 256])
    np.testing.assert_allclose(np.asarray(x.at[i].mul(3.0)), [3, 2, 36])
    np.testing.assert_allclose(np.asarray(x.at[1:].apply(fnp.negative)), [1, -2, -4])
    assert fnp.array([5, 250], "uint8").at[0].subtract(6).tolist() == [255, 250]
    flags = fnp.array([True, False])
    assert flags.at[fnp.array([1, 1])].add(True).tolist() == [True, True]
    assert flags.at[fnp.array([0])].multiply(False).tolist() == [False, False]


def test_update_from_own_view_and_of_a_view():
    x = fnp.arange(6.0)
    head = x[:3]
    assert x.at[0].set(9.0).tolist() == [9, 1, 2, 3, 4, 5]
    assert head.tolist() == [0, 1, 2]
    assert head.at[0].add(5.0).tolist() == [5, 1, 2] and x.tolist() == [0, 1, 2, 3, 4, 5]
    assert x.at[3:].set(head).tolist() == [0, 1, 2, 0, 1, 2]


# ---- masks ----


@given(masks((3, 4)), st.sampled_from(["set", *UFUNCS]))
def test_traced_mask_update(mask, name):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for value in (np.float32(2.5), np.array([3.0], np.float32)):
        want = numpy_update(name, x, mask, value)
        same(fl.jit(lambda x, m, v: getattr(x.at[m], name)(v))(x, mask, value), want)
    rows = mask[:, 0]
    value = np.arange(4, dtype=np.float32)
    want = numpy_update(name, x, rows, value)
    same(fl.jit(lambda x, m: getattr(x.at[m], name)(value))(x, rows), want)
    columns = mask[0]
    want = numpy_update(name, x, (slice(None), columns), value[:3, None])
    same(fl.jit(lambda x, m: getattr(x.at[:, m], name)(value[:3, None]))(x, columns), want)
    same(fl.jit(lambda x, m: getattr(x.at[..., m], name)(value[:3, None]))(x, columns), want)


def test_masks_in_eager_gradients():
    """The values are known there, so a mask of traced values is an index."""
    x = np.array([1.0, -2.0, 3.0])
    assert fl.grad(lambda x: fnp.sum(x[x > 0] ** 2))(x).tolist() == [2, 0, 6]
    assert fl.grad(lambda x: fnp.sum(x.at[x > 0].set(0.0) ** 2))(x).tolist() == [0, -4, 0]


def test_a_traced_mask_needs_a_way_out():
    x = np.arange(3.0)
    with pytest.raises(NonConcreteBooleanIndexError, match=r"bool\[3\].*where.*size"):
        fl.jit(lambda x: x[x > 1])(x)
    with pytest.raises(ConcretizationError):
        fl.jit(lambda x: x.at[x > 1].set(fnp.ones(2)))(x)


# ---- bounds ----


@pytest.mark.parametrize("index", [3, -4, (slice(None), 4), [0, 3], (1, [[-5]]), np.array([7]), (0, np.int64(9))])
def test_out_of_bounds_raises(index):
    x = fnp.ones((3, 4))
    said = r"index -?\d+ is out of bounds for axis [01] with size [34].*test_indexing\.py:\d+"
    at = x.at[index]
    for use in (lambda: x[index], lambda: at.set(1.0), lambda: at.get(), lambda: at.add(1.0)):
        with pytest.raises(IndexError, match=said):
            use()
    with pytest.raises(IndexError, match="out of bounds"):
        fl.grad(lambda x: fnp.sum(x[index]))(x)


@pytest.mark.parametrize(
    ("how", "fetched", "updated"),
    [
        ({}, [2.0, 2.0, 0.0], [9.0, 1.0, 9.0]),
        ({"mode": "clip"}, [2.0, 2.0, 0.0], [9.0, 1.0, 9.0]),
        ({"mode": "fill"}, [np.nan, 2.0, np.nan], [0.0, 1.0, 9.0]),
        ({"mode": "drop"}, [np.nan, 2.0, np.nan], [0.0, 1.0, 9.0]),
        ({"mode": fl.lax.GatherScatterMode.FILL_OR_DROP}, [np.nan, 2.0, np.nan], [0.0, 1.0, 9.0]),
    ],
)
def test_modes(how, fetched, updated):
    """Indices 5, -1, -7 of three elements. Without a mode a compiled update drops, a compiled fetch clips."""
    x, i = fnp.arange(3.0), np.array([5, -1, -7])
    np.testing.assert_array_equal(np.asarray(fl.jit(lambda x, i: x.at[i].get(**how))(x, i)), fetched)
    made = fl.jit(lambda x, i: x.at[i].set(9.0, **how))(x, i)
    np.testing.assert_array_equal(np.asarray(made), updated if how else [0.0, 1.0, 9.0])
    if how:
        np.testing.assert_array_equal(np.asarray(x.at[i].get(**how)), fetched)
        np.testing.assert_array_equal(np.asarray(x.at[i].set(9.0, **how)), updated)
        for k in range(3):
            np.testing.assert_array_equal(np.asarray(x.at[int(i[k])].get(**how)), fetched[k])


def test_fill_values():
    i = np.array([5])
    assert fnp.arange(3).at[i].get(mode="fill").tolist() == [np.iinfo(np.int32).min]
    assert fnp.arange(3, dtype="uint8").at[i].get(mode="fill").tolist() == [255]
    assert fnp.ones(3, bool).at[i].get(mode="fill").tolist() == [True]
    assert fnp.arange(3.0).at[i].get(mode="fill", fill_value=-1).tolist() == [-1]
    assert fnp.arange(3.0).at[i].get(fill_value=-1).tolist() == [-1]
    assert fnp.arange(3.0).at[-1].get(mode="fill", fill_value=7, wrap_negative_indices=False).tolist() == 7
    assert fnp.zeros((0, 2)).at[np.array([3])].get(mode="fill", fill_value=4).tolist() == [[4, 4]]


def test_compiled_gradients_at_the_border():
    """A clamped fetch sends its derivative where it took the value from."""
    x, i = fnp.arange(3.0), np.array([5, 1])
    assert fl.jit(fl.grad(lambda x, i: fnp.sum(x[i] * fnp.array([2.0, 3.0]))))(x, i).tolist() == [0, 3, 2]


# ---- refusals ----


@pytest.mark.parametrize(
    ("index", "error", "said"),
    [
        (1.5, IndexError, "1.5"),
        ("a", IndexError, "'a'"),
        (np.array([1.0]), IndexError, "float64"),
        (fnp.array([1.0]) if hasattr(fnp, "array") else None, IndexError, "float32"),
        ((0, 0, 0), IndexError, "too many indices.*2-dimensional, but 3"),
        ((..., 0, ...), IndexError, "single ellipsis"),
        (np.ones(4, bool), IndexError, "boolean index did not match.*axis 0"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (slice(0.5, 2), IndexError, "slice takes integers"),
        (([0, 1], [0, 1, 2]), IndexError, "do not broadcast"),
        (np.array(["a"], object), IndexError, "object"),
    ],
)
def test_bad_indices(index, error, said):
    x = fnp.ones((3, 4))
    for use in (lambda: x[index], lambda: x.at[index].set(0.0), lambda: fl.jit(lambda x: x[index])(x)):
        with pytest.raises(error, match=f"{said}.*|.*test_indexing") as caught:
            use()
        assert re.search(said, str(caught.value)) and "test_indexing.py:" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_traced_slice_bounds():
    with pytest.raises(TypeError, match=r"dynamic_slice"):
        fl.jit(lambda x, i: x[i : i + 1])(np.ones(3), 1)
    assert fl.jvp(lambda x: x[fnp.asarray(1) : 2], (np.ones(3),), (np.ones(3),))[0].shape == (1,)


def test_values_that_do_not_fit():
    x = fnp.arange(6).reshape(2, 3)
    with pytest.raises(ValueError, match=r"cannot broadcast f32\[2\] to the indexed shape \(3,\).*test_indexing"):
        fnp.ones((2, 3)).at[0].set(fnp.ones(2))
    for bad in (1.5, fnp.array([1.0]), 1j):
        with pytest.raises(TypeError, match=r"at\[\]\.set: .* does not go into i32\[2,3\].*test_indexing"):
            x.at[0].set(bad)
    with pytest.raises(TypeError, match="does not go into bool"):
        fnp.ones(3, bool).at[0].set(2)
    with pytest.raises(OverflowError):
        fnp.zeros(3, "uint8").at[0].set(300)
    with pytest.raises(ValueError, match="mode 'no'"):
        x.at[0].set(1, mode="no")


def test_assignment_is_refused():
    x = fnp.arange(3.0)
    for use in (lambda x: x.__setitem__(0, 1.0), lambda x: fl.jit(lambda y: y.__setitem__(0, 1.0))(x)):
        with pytest.raises(TypeError, match=r"f32\[3\] never changes.*`x = x\.at\[index\]\.set\(value\)`"):
            use(x)
    with pytest.raises(TypeError, match="never changes"):
        del x[0]


def test_kinds_are_kept():
    assert fnp.zeros(3, "float32").at[0].set(np.float64(0.1)).dtype == np.float32
    assert fnp.zeros(3, "bfloat16").at[0].set(1).dtype == fnp.bfloat16
    assert fnp.zeros(3).at[0].set(True).tolist() == [1, 0, 0]
    assert fnp.zeros(3, "complex64").at[0].add(2).tolist() == [2, 0, 0]
    assert fnp.zeros(3, "uint8").at[0].add(fnp.array(3, "int32")).dtype == np.uint8


@pytest.mark.parametrize("factors", [[2, 3, 0, 4, 0, 7, 8], [0, 0, 2, 3, 4, 7, 8], [1, 2, 3, 4, 5, 6, 7]])
def test_derivatives_of_factors_that_meet(factors):
    """Of any order, also where some are zero; one update goes nowhere."""
    places, x, u = np.array([0, 2, 0, 0, 2, 5, 1]), fnp.asarray([2.0, 3.0, 5.0], "float64"), np.array(factors, float)
    f = lambda u: x.at[places].multiply(u, mode="drop")
    g = lambda u: fnp.stack([x[j] * fnp.prod(u[places == j]) for j in range(3)])
    for outer, inner in itertools.product((fl.jacfwd, fl.jacrev), repeat=2):
        np.testing.assert_allclose(outer(inner(f))(u), outer(inner(g))(u))
    np.testing.assert_allclose(fl.jacfwd(fl.hessian(f))(u), fl.jacfwd(fl.hessian(g))(u))
