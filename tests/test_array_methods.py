"""Operators, methods and properties: the same on arrays and on tracers, and as in NumPy."""

import copy
import io
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp

X = np.array([[1.5, -2.0, 3.0], [4.0, 0.5, -6.0]], np.float32)
I = np.array([[1, -2, 3], [4, 5, -6]], np.int32)


def same(ours, theirs):
    ours, theirs = [list(v) if isinstance(v, tuple) else [v] for v in (ours, theirs)]
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-6)


def both(fun, *arrays):
    """`fun` on Arrays, and on tracers."""
    return fun(*map(fnp.asarray, arrays)), fl.jit(fun)(*arrays)


def agrees(fun, *arrays):
    want = fun(*arrays)
    for made in both(fun, *arrays):
        same(made, want)


# ---- operators ----

FLOATS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    divmod,
]
INTEGERS = [operator.and_, operator.or_, operator.xor, operator.add, operator.sub, operator.mul, operator.floordiv,
            operator.mod]  # fmt: skip
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("op", [*FLOATS, *COMPARISONS])
def test_float_operators(op):
    y = np.abs(X[::-1]) + 1
    x = np.abs(X) if op is operator.pow else X
    agrees(op, x, y)
    agrees(lambda x: op(x, 2.0), x)
    agrees(lambda x: op(x, 3), x)
    agrees(lambda x: op(np.float32(2.5), x) if op is not operator.pow else op(x, np.float32(2.5)), y)
    agrees(lambda x: op(2.5, x), y)
    agrees(lambda x: op(x, y[0]), x)
    agrees(lambda x: op(y[0], x), np.abs(x) + 1)
    row = np.asarray(fl.vmap(lambda x, y: op(x, y))(x, y))
    same(row, np.asarray(op(x, y))) if op is not divmod else None


@pytest.mark.parametrize("op", [*INTEGERS, *COMPARISONS])
def test_integer_operators(op):
    agrees(op, I, I[::-1].copy())
    agrees(lambda x: op(x, 3), I)
    agrees(lambda x: op(7, x), I)


def test_other_operators():
    agrees(lambda x: x << 2, I)
    agrees(lambda x: 1 << x, np.array([0, 3]))
    agrees(lambda x: x >> 1, I)
    agrees(lambda x: 64 >> x, np.array([0, 3]))
    agrees(lambda x, y: x @ y, X, X.T)
    agrees(lambda x: x @ X.T, X)
    agrees(lambda x: X @ x, X.T)
    for op in (operator.neg, operator.pos, operator.abs):
        agrees(op, X)
    agrees(operator.invert, I)
    agrees(operator.invert, X > 0)
    agrees(lambda x: x**2, X)
    for made in both(lambda x: (round(x), round(x, 1)), X):
        same(made, (np.round(X), np.round(X, 1)))
    agrees(lambda x: 2**x, X)
    agrees(lambda x, y: x & y, X > 0, X > 1)


def test_in_place_operators_make_new_arrays():
    x = y = fnp.asarray(X)
    x += 1
    x *= 2
    same(x, (X + 1) * 2)
    same(y, X)
    assert fl.grad(lambda v: _in_place(v))(3.0) == 6


def _in_place(v):
    w = v
    w *= v
    return w


def test_dtypes_of_operators():
    assert (fnp.asarray(I) + 1.5).dtype == np.float32
    assert (fnp.asarray(I) / 2).dtype == np.float32
    assert (fnp.ones(2, "bfloat16") * 2.0).dtype == fnp.bfloat16
    assert (fnp.ones(2, "float16") + fnp.ones(2, "float64")).dtype == np.float64
    assert (fnp.asarray(I) == 1).dtype == np.bool_


class Reflects:
    """Answers for itself."""

    def __radd__(self, other):
        return "radd"

    def __eq__(self, other):
        return "eq"

    __hash__ = None


def test_operands_that_are_none():
    for x in (fnp.asarray(X), fnp.array(1.0)):
        assert (x == None) is False and (x != None) is True  # noqa: E711
        assert (x == "a") is False and ("a" != x) is True
        assert x + Reflects() == "radd" and (x == Reflects()) == "eq"
        for bad in ([1, 2, 3], (1, 2), {}, None, "a", {1}):
            with pytest.raises(
                TypeError, match=r"f32\[.*test_array_methods\.py:\d+: an operand is an array or a number"
            ):
                x + bad
            with pytest.raises(TypeError, match="an operand is"):
                bad * x
        with pytest.raises(TypeError, match=r"f32\[.*== a list"):
            assert x == [1, 2, 3]
        with pytest.raises(TypeError, match="not supported"):
            assert x < object()
        with pytest.raises(TypeError, match="third argument"):
            pow(x, 2, 3)
    with pytest.raises(TypeError, match=r"f64\[3\] \+ a list"):
        fl.jit(lambda x: x + [1, 2, 3])(np.ones(3))


def test_numpy_operands_on_the_left():
    made = X + fnp.asarray(X)
    assert isinstance(made, fl.Array)
    same(np.float64(2) * fnp.asarray(X), X * 2)
    assert isinstance(fl.jit(lambda x: X * x)(X), fl.Array)


# ---- methods ----

METHODS = {
    "all": lambda x: (x > 0).all(),
    "any": lambda x: (x > 0).any(0),
    "argmax": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(1),
    "argsort": lambda x: x.argsort(),
    "astype": lambda x: x.astype("int32"),
    "clip": lambda x: x.clip(-1, 2),
    "conj": lambda x: x.conj(),
    "copy": lambda x: x.copy(),
    "cumprod": lambda x: x.cumprod(1),
    "cumsum": lambda x: x.cumsum(),
    "diagonal": lambda x: x.diagonal(1),
    "dot": lambda x: x.dot(x.T),
    "flatten": lambda x: x.flatten(),
    "flatten F": lambda x: x.flatten("F"),
    "max": lambda x: x.max(axis=0),
    "mean": lambda x: x.mean(1, keepdims=True),
    "min": lambda x: x.min(),
    "prod": lambda x: x.prod(),
    "ravel": lambda x: x.ravel(),
    "repeat": lambda x: x.repeat(2, axis=0),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape tuple": lambda x: x.reshape((3, -1)),
    "reshape F": lambda x: x.reshape(3, 2, order="F"),
    "round": lambda x: x.round(),
    "squeeze": lambda x: x[:1].squeeze(0),
    "std": lambda x: x.std(),
    "sum": lambda x: x.sum(-1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "take": lambda x: x.take(np.array([2, 0]), 1),
    "trace": lambda x: x.trace(),
    "transpose": lambda x: x.transpose(),
    "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((1, 0)),
    "var": lambda x: x.var(0, ddof=1),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "compress": lambda x: x.compress([True, False, True], 1),
    "searchsorted": lambda x: x[0][[1, 0, 2]].searchsorted(2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    agrees(METHODS[name], X)


def test_sort_method_returns():
    for made in both(lambda x: x.sort(), X):
        same(made, np.sort(X))
    for made in both(lambda x: x.ptp(1), X):
        same(made, np.ptp(X, 1))
    for made in both(lambda x: tuple(x.flat), X[0]):
        same(made, tuple(X[0]))
    same(fnp.asarray(X).nonzero(), X.nonzero())
    assert fnp.array([1, 0]).choose([3, 4]).tolist() == [4, 3]


def test_attributes():
    for dtype in ("float32", "bfloat16", "int8", "complex64"):
        x = fnp.ones((2, 3), dtype)
        seen = []
        fl.jit(lambda t, seen=seen: seen.append((t.shape, t.ndim, t.size, t.itemsize, t.nbytes, t.dtype, len(t))) or t)(
            x
        )
        want = (2, 3), 2, 6, x.dtype.itemsize, 6 * x.dtype.itemsize, np.dtype(x.dtype), 2
        assert seen == [want] and (x.shape, x.ndim, x.size, x.itemsize, x.nbytes, x.dtype, len(x)) == want
    assert fnp.ones(1).__array_namespace__() is fnp


def test_devices():
    x = fnp.ones(2)
    assert x.device in fl.devices() and x.devices() == {x.device}
    assert x.to_device(x.device).tolist() == [1, 1] and x.astype("int32", device=x.device).dtype == np.int32


def test_iteration():
    assert [row.tolist() for row in fnp.asarray(I)] == I.tolist()
    assert fl.jit(lambda x: sum(row * k for k, row in enumerate(x)))(I).tolist() == I[1].tolist()
    a, b = fnp.asarray(I)
    assert a.tolist() == I[0].tolist() and b[0] == 4
    assert 5 in fnp.asarray(I) and 77 not in fnp.asarray(I)
    for use in (lambda x: list(x), len, lambda x: x[0]):
        for scalar in (fnp.array(1.0), None):
            error = IndexError if use(np.ones(1)) == 1 and use is not len else TypeError
            with pytest.raises(error, match=r"test_array_methods\.py"):
                use(scalar) if scalar is not None else fl.jit(use)(1.0)


# ---- numbers ----


def test_conversions():
    x = fnp.array([1, 2])
    assert float(x[0]) == 1.0 and int(x[1]) == 2 and complex(x[0]) == 1 and bool(x[0]) and range(5)[x[1]] == 2
    assert x.item(1) == 2 and type(x.item(1)) is int and fnp.array([[3.5]]).item() == 3.5
    assert fnp.asarray(I).item(1, 2) == -6 and fnp.asarray(I).item(5) == -6 and fnp.asarray(I).item((0, 1)) == -2
    assert fnp.asarray(I).tolist() == I.tolist() and fnp.array(2.0).tolist() == 2.0
    assert fl.grad(lambda x: x * float(x[()]) if x.item() > 1 else x)(2.0) == 2.0
    with pytest.raises(ValueError, match=r"truth value of i32\[2\] is ambiguous.*test_array_methods.*any"):
        bool(x)
    for convert in (float, int, complex):
        with pytest.raises(TypeError, match=r"i32\[2\].*test_array_methods"):
            convert(x)
        with pytest.raises(TypeError, match=r"f32\[1\].*test_array_methods"):
            convert(fnp.ones(1))
    for bad in (fnp.ones(()), fnp.array([1]), fnp.array(True)):
        with pytest.raises(TypeError, match="no index"):
            range(5)[bad]
    with pytest.raises(ValueError, match=r"one element.*test_array_methods"):
        x.item()


def test_no_numbers_under_jit():
    for use in (float, int, bool, complex, lambda x: range(9)[x], lambda x: x.item(), lambda x: x.tolist(), np.asarray):
        with pytest.raises(fl.ConcretizationError, match=r"i64\[\] is needed at test_array_methods\.py:\d+, but `jit`"):
            fl.jit(lambda x, use=use: use(x))(np.int64(3))


def test_hash_is_refused():
    with pytest.raises(TypeError, match="has no hash"):
        hash(fnp.ones(2))
    with pytest.raises(TypeError, match="cannot be hashed"):
        fl.jit(lambda x: hash(x))(1.0)


def test_copies_and_pickles():
    x = fnp.ones((2, 3), "bfloat16")
    for made in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert made.dtype == x.dtype and made.tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(fnp.float32)) is fnp.float32


# ---- view ----


@settings(max_examples=40)
@given(
    st.sampled_from(["float32", "float64", "int32", "uint8", "int16", "complex64", "bool"]),
    st.sampled_from(["float32", "float64", "int32", "uint8", "int16", "complex64"]),
)
def test_view(old, new):
    x = (np.arange(32) % 2).reshape(2, 16).astype(old)
    want = x.view(new)
    for made in (fnp.asarray(x).view(new), fl.jit(lambda x: x.view(new))(x)):
        assert made.dtype == new and made.shape == want.shape
        assert np.asarray(made).tobytes() == want.tobytes()


def test_view_of_narrow_integers():
    x = np.array([1, 33, -1], "int8")
    nibbles = np.array([1, 0, 1, 2, -1, -1])
    for f in (lambda x: x.view("int4"), fl.jit(lambda x: x.view("int4"))):
        made = f(fnp.asarray(x))
        assert made.dtype == fnp.int4 and made.tolist() == nibbles.tolist() and made.view("int8").tolist() == x.tolist()
    assert repr(made[:2]) == "Array([1, 0], dtype=int4)"


def test_view_refusals():
    with pytest.raises(ValueError, match="does not divide"):
        fnp.ones(3, "uint8").view("float32")
    with pytest.raises(ValueError, match="no axis"):
        fnp.array(1.0).view("uint8")
    assert fnp.ones(2, "uint8").view(bool).tolist() == [True, True]


# ---- dtypes by name ----


def test_scalar_types():
    assert fnp.float32(3).dtype == np.float32 and fnp.float32(3) == 3
    assert fnp.int8([1, 2]).dtype == np.int8 and fnp.bfloat16(1).dtype == fnp.bfloat16
    assert np.dtype(fnp.float64) == np.float64 and fnp.float64 == np.float64 and fnp.float64 != np.float32
    assert {fnp.float32: 1}[np.float32] == 1
    assert fnp.zeros(2, fnp.int16).dtype == fnp.int16 and fnp.ones(1, fnp.bool).dtype == bool
    assert repr(fnp.float32) == "functorch_lite.numpy.float32"
    assert fnp.float_(1).dtype == np.float32 and fnp.int_(1).dtype == np.int32
    with fl.config.default_dtype("float64"):
        assert fnp.float_(1).dtype == np.float64 and fnp.zeros(1, fnp.int_).dtype == np.int64


def test_questions_about_dtypes():
    assert fnp.promote_types("int8", "float16") == np.float16
    assert fnp.result_type(fnp.ones(2, "float16"), 2.0) == np.float16
    assert fnp.result_type(fnp.ones(2, "int8"), np.float64(2)) == np.float64
    assert fnp.result_type(int, "int8") == np.int8 and fnp.result_type(2.0) == np.float32
    assert fnp.can_cast("int8", "int16") and not fnp.can_cast("float64", "int8")
    assert fnp.isdtype(fnp.bfloat16, "real floating") and fnp.isdtype("int8", ("bool", "integral"))
    assert fnp.isdtype("int8", np.int8) and not fnp.isdtype("uint8", "signed integer")
    assert fnp.issubdtype(fnp.bfloat16, fnp.floating) and fnp.issubdtype(fnp.float32, np.inexact)
    assert fnp.finfo(fnp.float32).eps == np.finfo(np.float32).eps and fnp.iinfo("int8").max == 127
    with pytest.raises(ValueError, match=r"test_array_methods.*'numeric'"):
        fnp.isdtype("int8", "no kind")


def test_files():
    file = io.BytesIO()
    fnp.save(file, fnp.ones(2, "bfloat16"))
    file.seek(0)
    made = fnp.load(file)
    assert made.dtype == fnp.bfloat16 and made.tolist() == [1, 1]
    file = io.BytesIO()
    fnp.savez(file, fnp.ones(2), b=X)
    file.seek(0)
    found = fnp.load(file)
    assert found["arr_0"].tolist() == [1, 1] and found["b"].shape == (2, 3)


def test_public_names_are_there():
    assert len(set(fnp.__all__)) == len(fnp.__all__)
    for name in fnp.__all__:
        assert hasattr(fnp, name)
        assert getattr(fnp, name).__doc__ or name in ("e", "pi", "inf", "nan", "newaxis")


def test_round_makes_integers_as_python_does():
    for fun in (round, fl.jit(round)):
        assert fun(fnp.array(2.5)).dtype == np.int32 and int(fun(fnp.array(2.5))) == 2
    assert float(round(fnp.array(2.567), 1)) == np.float32(2.6) and round(fnp.array(3)).dtype == np.int32


def test_text_is_repeated():
    assert "ab" * fnp.array(2) == "abab"


def test_shape_of_nothing_is_shown():
    assert repr(fnp.zeros((0, 3))) == "Array([], shape=(0, 3), dtype=float32)"
    assert repr(fnp.zeros(0)) == "Array([], dtype=float32)"


def test_memory_is_freed():
    for x in (fnp.ones(3), fl.jit(lambda x: x + 1)(fnp.ones(3))):
        x.copy_to_host_async()
        assert x.block_until_ready().is_ready() and not x.is_deleted()
        x.delete()
        assert x.is_deleted()


# ---- NumPy's own functions ----

NUMPY = {
    "ufunc": lambda np, x: np.sum(np.sin(x) * np.float64(2) + np.maximum(x, 1)),
    "array first": lambda np, x: np.add(np.asarray([1.0, 2, 3]), x).sum() + np.asarray([1.0, 2, 3]) @ x,
    "function": lambda np, x: np.mean(np.concatenate([x, x[:1]])) + np.var(x) + np.einsum("i,i->", x, x),
    "linalg": lambda np, x: np.linalg.norm(np.outer(x, x)),
    "where": lambda np, x: np.where(x > 0.5, x**2, np.clip(x, 0, 1)).max(),
}


@pytest.mark.parametrize("name", NUMPY)
def test_functions_of_numpy_are_ours_inside_of_transforms(name):
    x, ours, theirs = np.array([0.3, -0.7, 1.2]), lambda x: NUMPY[name](fnp, x), lambda x: NUMPY[name](np, x)
    for transform in (fl.grad, lambda f: fl.jit(fl.grad(f)), fl.hessian):
        np.testing.assert_allclose(transform(theirs)(x), transform(ours)(x), rtol=1e-12)
    rows = np.stack([x, 2 * x])
    np.testing.assert_allclose(fl.vmap(theirs)(rows), fl.vmap(ours)(rows), rtol=1e-12)


def test_reductions_and_texts_of_numpy():
    shown = []
    f = lambda x: (shown.append(np.array_str(x)), np.add.reduce(x * x) + np.maximum.reduce(x))[1]
    assert fl.grad(f)(np.array([1.0, 3.0])).tolist() == [2, 7]
    assert shown == ["[1. 3.]"]
    assert fl.jit(lambda x: np.multiply.reduce(x))(np.arange(6.0).reshape(2, 3)).tolist() == [0, 4, 10]


def added(x):
    y = np.zeros(2)
    y += x
    return y.sum()


@pytest.mark.parametrize(("f", "words"), [
    (lambda x: np.linalg.eigvals(np.outer(x, x))[0], "`eigvals` was given f64.*no such function"),
    (lambda x: np.add.accumulate(x)[0], "`add.accumulate` was given"),
    (added, "cannot write f64.* into a NumPy array.*`y = y \\+ x`"),
])  # fmt: skip
def test_what_numpy_cannot_do_with_traced_arrays(f, words):
    for transform in (fl.grad, fl.jit):
        with pytest.raises(TypeError, match=words) as caught:
            transform(f)(np.ones(2))
        assert "test_array_methods.py:" in str(caught.value)
