"""Functions that move elements, against NumPy: eager, compiled, mapped; and their derivatives, which are adjoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4) + 1
V = np.array([3.0, 1.0, 2.0, 5.0], np.float32)


def parts(made):
    return list(made) if isinstance(made, (tuple, list)) else [made]


def same(ours, theirs):
    ours, theirs = parts(ours), parts(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == np.shape(b) and a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-6, atol=1e-6)


def agrees(call, *arrays):
    """`call(module, *arrays)` gives what NumPy gives, however it is run; and its derivative is its adjoint."""
    want = call(np, *arrays)
    ours = lambda *xs: call(fnp, *xs)
    same(ours(*map(fnp.asarray, arrays)), want)
    same(fl.jit(ours)(*arrays), want)
    rows = [np.stack([x, x + 1]) for x in arrays]
    mapped = parts(fl.vmap(ours)(*rows))
    for k in range(2):
        same([y[k] for y in mapped], call(np, *[x[k] for x in rows]))
    weights = [np.arange(np.size(y), dtype=np.float32).reshape(np.shape(y)) + 1 for y in parts(want)]
    loss = lambda *xs: sum(fnp.sum(y * w) for y, w in zip(parts(ours(*xs)), weights, strict=True))
    argnums = tuple(range(len(arrays)))
    slopes = fl.grad(loss, argnums)(*arrays)
    at_zero = loss(*[np.zeros_like(x) for x in arrays])  # what does not depend on the arrays, such as padding
    inner = sum(np.sum(np.asarray(g) * x) for g, x in zip(slopes, arrays, strict=True))
    np.testing.assert_allclose(float(loss(*arrays)) - float(at_zero), inner, rtol=1e-5)


ONE_ARRAY = {
    "reshape": lambda m, x: m.reshape(x, (4, -1)),
    "reshape int": lambda m, x: m.reshape(x, -1),
    "reshape F": lambda m, x: m.reshape(x, (6, 4), order="F"),
    "ravel": lambda m, x: m.ravel(x),
    "ravel F": lambda m, x: m.ravel(x, "F"),
    "expand_dims": lambda m, x: m.expand_dims(x, (0, -1)),
    "squeeze": lambda m, x: m.squeeze(x[:1], 0),
    "squeeze all": lambda m, x: m.squeeze(x[:1, :, :1]),
    "transpose": lambda m, x: m.transpose(x),
    "transpose axes": lambda m, x: m.transpose(x, (1, -1, 0)),
    "permute_dims": lambda m, x: m.permute_dims(x, (2, 0, 1)),
    "matrix_transpose": lambda m, x: m.matrix_transpose(x),
    "swapaxes": lambda m, x: m.swapaxes(x, 0, -1),
    "moveaxis": lambda m, x: m.moveaxis(x, [0, 1], [-1, 0]),
    "rollaxis": lambda m, x: m.rollaxis(x, 2),
    "rollaxis start": lambda m, x: m.rollaxis(x, 0, 3),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (2, 2, 3, 4)),
    "resize": lambda m, x: m.resize(x, (5, 7)),
    "resize smaller": lambda m, x: m.resize(x, (2, 2)),
    "flip": lambda m, x: m.flip(x),
    "flip axis": lambda m, x: m.flip(x, (0, -1)),
    "fliplr": lambda m, x: m.fliplr(x),
    "flipud": lambda m, x: m.flipud(x),
    "rot90": lambda m, x: m.rot90(x),
    "rot90 2": lambda m, x: m.rot90(x, 2, (2, 1)),
    "rot90 -1": lambda m, x: m.rot90(x, -1, (0, 2)),
    "roll": lambda m, x: m.roll(x, 5),
    "roll axis": lambda m, x: m.roll(x, -1, 1),
    "roll axes": lambda m, x: m.roll(x, (1, 2), (0, 2)),
    "roll twice": lambda m, x: m.roll(x, (1, 2), 1),
    "atleast_3d": lambda m, x: m.atleast_3d(x[0], x[0, 0], x[0, 0, 0]),
    "atleast_2d": lambda m, x: m.atleast_2d(x[0, 0]),
    "atleast_1d": lambda m, x: m.atleast_1d(x[0, 0, 0]),
    "tile": lambda m, x: m.tile(x, 2),
    "tile reps": lambda m, x: m.tile(x, (2, 1, 3)),
    "tile more axes": lambda m, x: m.tile(x, (2, 1, 1, 2)),
    "tile ones": lambda m, x: m.tile(x[:1, :1, :1], (2, 3, 4)),
    "repeat": lambda m, x: m.repeat(x, 2),
    "repeat axis": lambda m, x: m.repeat(x, 3, 1),
    "repeat each": lambda m, x: m.repeat(x, np.array([1, 0, 2]), 1),
    "split": lambda m, x: m.split(x, 2, 0),
    "split at": lambda m, x: m.split(x, [1, 2], 1),
    "split beyond": lambda m, x: m.split(x, [1, 5, 2], 1),
    "array_split": lambda m, x: m.array_split(x, 3, 2),
    "hsplit": lambda m, x: m.hsplit(x, 3),
    "vsplit": lambda m, x: m.vsplit(x, [1]),
    "dsplit": lambda m, x: m.dsplit(x, 2),
    "unstack": lambda m, x: m.unstack(x, axis=1),
    "delete": lambda m, x: m.delete(x, 1, 1),
    "delete several": lambda m, x: m.delete(x, [0, -1], 2),
    "delete slice": lambda m, x: m.delete(x, np.s_[::2], 2),
    "delete mask": lambda m, x: m.delete(x, np.array([True, False, True]), 1),
    "delete flat": lambda m, x: m.delete(x, [3, 7, 8]),
    "insert": lambda m, x: m.insert(x, 1, 7.0, 1),
    "insert last": lambda m, x: m.insert(x, 3, 7.0, 1),
    "insert several": lambda m, x: m.insert(x, [3, 0, 0], 7.0, 1),
    "insert slice": lambda m, x: m.insert(x, np.s_[0:3:2], 7.0, 1),
    "insert flat": lambda m, x: m.insert(x, 2, np.array([1.0, 2.0, 3.0], np.float32)),
    "append": lambda m, x: m.append(x, x),
    "append axis": lambda m, x: m.append(x, x, 1),
    "hstack": lambda m, x: m.hstack([x[0, 0], x[0, 1]]),
    "vstack": lambda m, x: m.vstack([x[0, 0], x[0]]),
    "dstack": lambda m, x: m.dstack([x[0, 0], x[0, 1]]),
    "column_stack": lambda m, x: m.column_stack([x[0, 0], x[0].T]),
    "block": lambda m, x: m.block([[x[0], x[1]], [x[1], x[0]]]),
    "block mixed": lambda m, x: m.block([x[0, 0], x[0, 0, 0]]),
}


@pytest.mark.parametrize("name", ONE_ARRAY)
def test_one_array(name):
    agrees(ONE_ARRAY[name], X)


TWO_ARRAYS = {
    "concatenate": lambda m, x, y: m.concatenate([x, y], 1),
    "concatenate flat": lambda m, x, y: m.concatenate([x, y], None),
    "concat": lambda m, x, y: m.concat([x, y], axis=-1),
    "stack": lambda m, x, y: m.stack([x, y], 1),
    "stack last": lambda m, x, y: m.stack([x, y], -1),
    "insert array": lambda m, x, y: m.insert(x, 1, y[:, 0], 1),
    "insert arrays": lambda m, x, y: m.insert(x, [1, 2], y[:, :2], 1),
    "where": lambda m, x, y: m.where(X > 5, x, y),
    "select": lambda m, x, y: m.select([X > 15, X > 5], [x, y], 0.0),
    "broadcast_arrays": lambda m, x, y: m.broadcast_arrays(x, y[0]),
}


@pytest.mark.parametrize("name", TWO_ARRAYS)
def test_two_arrays(name):
    agrees(TWO_ARRAYS[name], X, X[::-1] * 2)


# ---- pad ----

PADS = [
    {"mode": "constant"},
    {"mode": "constant", "constant_values": 3},
    {"mode": "constant", "constant_values": ((1, 2), (3, 4))},
    {"mode": "edge"},
    {"mode": "reflect"},
    {"mode": "reflect", "reflect_type": "odd"},
    {"mode": "symmetric"},
    {"mode": "symmetric", "reflect_type": "odd"},
    {"mode": "wrap"},
    {"mode": "linear_ramp"},
    {"mode": "linear_ramp", "end_values": (5, -4)},
    {"mode": "maximum"},
    {"mode": "minimum", "stat_length": 2},
    {"mode": "mean"},
    {"mode": "mean", "stat_length": ((1, 2), (3, 1))},
    {"mode": "median"},
]


@pytest.mark.parametrize("keywords", PADS, ids=str)
@pytest.mark.parametrize("widths", [2, (1, 3), ((0, 7), (5, 0)), ((0, 0), (2, 2))])
def test_pad(keywords, widths):
    x = X[0] ** 2 % 7
    want = np.pad(x, widths, **keywords)
    same(fnp.pad(x, widths, **keywords), want)
    same(fl.jit(lambda x: fnp.pad(x, widths, **keywords))(x), want)


def test_pad_integers():
    x = np.array([[1, 5, 2], [9, 4, 4]], np.int32)
    for keywords in PADS:
        same(fnp.pad(x, 3, **keywords), np.pad(x, 3, **keywords))


def test_pad_more():
    same(fnp.pad(X, {0: 1, -1: (0, 2)}), np.pad(X, {0: 1, -1: (0, 2)}))

    def fill(vector, pair, axis, keywords):
        low, _ = pair
        return fnp.where(np.arange(vector.shape[0]) < low, keywords["value"] + axis, vector)

    assert fnp.pad(fnp.ones((1, 2)), ((1, 0), (1, 0)), fill, value=5.0).tolist() == [[6, 5, 5], [6, 1, 1]]
    assert fnp.pad(fnp.ones(2), 1, "empty").shape == (4,)
    agrees(lambda m, x: m.pad(x, ((1, 0), (2, 2), (0, 3)), "reflect"), X)
    agrees(lambda m, x: m.pad(x, ((1, 0), (2, 2), (0, 3)), "linear_ramp"), X)
    with pytest.raises(ValueError, match=r"widths are at least 0.*test_numpy_shape"):
        fnp.pad(X, -1)
    with pytest.raises(ValueError, match="unknown"):
        fnp.pad(X, 1, "no")
    with pytest.raises(ValueError, match=r"does not take stat_length"):
        fnp.pad(X, 1, "edge", stat_length=2)
    with pytest.raises(ValueError, match="nothing to repeat"):
        fnp.pad(fnp.zeros((0, 2)), 1, "edge")


# ---- what depends on data ----


@given(st.integers(-9, 9), st.sampled_from([0, 1, 2, -1, None]))
@settings(max_examples=30)
def test_traced_roll(shift, axis):
    same(fl.jit(lambda x, s: fnp.roll(x, s, axis))(X, shift), np.roll(X, shift, axis))


@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.integers(1, 12))
@settings(max_examples=30)
def test_traced_repeat(counts, total):
    counts = np.array(counts)
    want = np.repeat(np.arange(3), counts)
    want = np.concatenate([want, np.full(12, 2)])[:total]
    run = lambda x, n: fnp.repeat(x, n, 1, total_repeat_length=total)
    same(fl.jit(run)(X, counts), X[:, want])
    same(run(X, counts), X[:, want])


def test_traced_delete_and_insert():
    run = fl.jit(lambda x, i: fnp.delete(x, i, 2))
    for i in range(-4, 4):
        same(run(X, i), np.delete(X, i, 2))
    many = fl.jit(lambda x, i: fnp.delete(x, i, 2, assume_unique_indices=True))
    same(many(X, np.array([3, -4])), np.delete(X, [3, 0], 2))
    put = fl.jit(lambda x, i: fnp.insert(x, i, 7.0, 1))
    for i in range(-3, 4):
        same(put(X, i), np.insert(X, i, 7.0, 1))
    for i in ([0, 3], [2, 1], [1, 1]):
        same(put(X, np.array(i)), np.insert(X, i, 7.0, 1))


def test_sizes_that_depend_on_data_are_refused():
    with pytest.raises(fl.ConcretizationError, match="total_repeat_length"):
        fl.jit(lambda x, n: fnp.repeat(x, n))(V, np.arange(4))
    with pytest.raises(fl.ConcretizationError, match="assume_unique_indices"):
        fl.jit(lambda x, i: fnp.delete(x, i))(V, np.array([0, 1]))


# ---- what is not an array ----


def test_questions():
    assert fnp.shape(X) == (2, 3, 4) and fnp.ndim(X) == 3 and fnp.size(X) == 24 and fnp.size(X, (0, 1)) == 6
    assert fnp.shape([[1, 2], [3, 4]]) == (2, 2) and fnp.ndim(3.0) == 0
    assert fnp.iscomplexobj(fnp.array(1j)) and fnp.isrealobj(X) and not fnp.iscomplexobj(2.0)
    assert fnp.isscalar(3.0) and fnp.isscalar(fnp.array(1)) and not fnp.isscalar([3]) and not fnp.isscalar(V)
    assert fnp.iterable([1]) and fnp.iterable(fnp.ones(2)) and not fnp.iterable(fnp.array(1)) and not fnp.iterable(3)
    assert fnp.broadcast_shapes((2, 1), (3,)) == (2, 3)


def test_astype():
    assert fnp.astype(V, "int8").dtype == np.int8
    assert fnp.astype(fnp.array([1.9, -1.9]), int).tolist() == [1, -1]
    assert fnp.astype(fnp.array([0.0, 2.0]), bool).tolist() == [False, True]
    assert fnp.astype(V, fnp.bfloat16).dtype == fnp.bfloat16
    assert fnp.astype(fnp.arange(2), None).dtype == np.float32


@pytest.mark.parametrize("name", ONE_ARRAY)
def test_nothing_is_shared_with_a_caller(name):
    x = X.copy()
    want = [np.array(y) for y in parts(ONE_ARRAY[name](np, x))]
    made = parts(ONE_ARRAY[name](fnp, x))
    assert all(isinstance(y, fl.Array) for y in made)
    x[:] = 77
    same(made, want)


def test_nothing_is_shared_where_nothing_changes():
    x = np.ones((2, 3))
    made = [fnp.reshape(x, (2, 3)), fnp.transpose(x, (0, 1)), fnp.squeeze(x), fnp.concatenate([x]), fnp.atleast_1d(x)]
    made += [fnp.broadcast_to(x, (2, 3)), fnp.roll(x, 0), fnp.copy(x), fnp.flip(x, ()), fnp.rot90(x, 4), fnp.pad(x, 0)]
    made += [fnp.split(x, 1)[0], fnp.take(x, [0, 1], 0), fnp.tile(x, 1), fnp.repeat(x, 1, 0), fnp.delete(x, [], 0)]
    made += [fnp.resize(x, (2, 3)), fnp.astype(x, "float64"), fnp.insert(x, [], 1.0, 0), fnp.block(x), fnp.sort(x)]
    x[:] = 7
    assert all(isinstance(y, fl.Array) and float(y.max()) == 1 for y in made)


def test_trim_zeros():
    x = np.array([0, 0, 1, 0, 2, 0])
    for trim in ("fb", "f", "b"):
        same(fnp.trim_zeros(x, trim), np.trim_zeros(x, trim))
    for trim in ("x", True):
        with pytest.raises(ValueError, match="trim_zeros: trim="):
            fnp.trim_zeros(fnp.ones(2), trim)


def test_dtypes_meet():
    assert fnp.concatenate([fnp.ones(1, "int8"), fnp.ones(1, "float16")]).dtype == np.float16
    assert fnp.stack([fnp.array(1, "int32"), 2.5]).dtype == np.float32
    assert fnp.hstack([V, V], dtype="float64").dtype == np.float64
    assert fnp.append(fnp.ones(2, "bfloat16"), 1.0).dtype == fnp.bfloat16


# ---- refusals ----

BAD = [
    (lambda: fnp.reshape(X, (5, 5)), ValueError, r"f32\[2,3,4\] has 24 elements.*\(5, 5\)"),
    (lambda: fnp.reshape(X, (-1, -1)), ValueError, "do not fill"),
    (lambda: fnp.reshape(X, (7, -1)), ValueError, "do not fill"),
    (lambda: fnp.squeeze(X, 1), ValueError, "not of size 1"),
    (lambda: fnp.transpose(X, (0, 0, 1)), ValueError, "no order of the 3 axes"),
    (lambda: fnp.transpose(X, (0, 1, 5)), ValueError, "out of bounds"),
    (lambda: fnp.moveaxis(X, [0, 1], [0]), ValueError, "equally many"),
    (lambda: fnp.broadcast_to(X, (5, 4)), ValueError, "does not broadcast"),
    (lambda: fnp.broadcast_arrays(X, V[:3]), ValueError, "do not broadcast"),
    (lambda: fnp.concatenate([]), ValueError, "at least one array"),
    (lambda: fnp.concatenate([X, X[0]]), ValueError, "differ beside axis 0"),
    (lambda: fnp.concatenate([1.0, 2.0]), ValueError, "no axis to join along"),
    (lambda: fnp.concatenate(3.0), TypeError, "sequence of arrays"),
    (lambda: fnp.stack([X, X[:1]]), ValueError, "different shapes"),
    (lambda: fnp.split(X, 3, 0), ValueError, "no 2 equal|no 3 equal"),
    (lambda: fnp.split(X, 0, 0), ValueError, "at least 1"),
    (lambda: fnp.repeat(X, [1, 2], 1), ValueError, "does not fit axis 1"),
    (lambda: fnp.repeat(X, -1), ValueError, "at least 0"),
    (lambda: fnp.rot90(X, 1, (1, 1)), ValueError, "axes are the same"),
    (lambda: fnp.roll(X, (1, 2), (0, 1, 2)), ValueError, "2 shifts for 3 axes"),
    (lambda: fnp.roll(X, 1.5, 0), TypeError, "shift is an integer"),
    (lambda: fnp.delete(X, 9, 1), IndexError, "out of bounds"),
    (lambda: fnp.insert(X, 9, 1.0, 1), IndexError, "out of bounds"),
    (lambda: fnp.block([[X], X]), ValueError, "different depths"),
    (lambda: fnp.reshape("abc", 3), TypeError, "str"),
    (lambda: fnp.matrix_transpose(V), ValueError, "fewer than two axes"),
]


@pytest.mark.parametrize(("use", "error", "said"), BAD)
def test_refusals(use, error, said):
    with pytest.raises(error, match=said) as caught:
        use()
    assert "test_numpy_shape.py:" in str(caught.value) and "\n" not in str(caught.value)
