"""Arrays made from numbers and shapes, against NumPy; what counts as an array, and what is refused."""

import enum
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_cases import agree, operand, slow_path

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes

ALL = (
    "bool int8 uint8 int32 uint32 int64 uint64 float16 bfloat16 float32 float64 complex64 complex128 float8_e5m2"
).split()


def everywhere(f):
    """The result eagerly, without fast paths, and compiled."""
    with slow_path():
        slow = f()
    return [f(), slow, fl.jit(f)()]


# ---- array and asarray ----


def test_defaults_of_python_numbers():
    for x, dtype in [(1, "i4"), (1.5, "f4"), (1j, "c8"), (True, bool), ([1, 2.5], "f4"), ([], "f4"), ([[1], [2]], "i4"),
                     ((True, 2), "i4"), ([1, 2j], "c8")]:  # fmt: skip
        agree(fnp.array(x), np.array(x).astype(dtype))
    assert fnp.asarray(2.0).weak_type and not fnp.asarray([2.0]).weak_type
    with fl.config.default_dtype("float64"):
        agree(fnp.array([0.1, 2]), np.array([0.1, 2]))
        agree(fnp.array([1, 2]), np.array([1, 2]))


@pytest.mark.parametrize("dtype", ALL)
def test_an_explicit_dtype_is_honoured(dtype):
    want = np.array([0, 1, 2]).astype(dtypes.canonical(dtype))
    for source in ([0, 1, 2], want, fnp.asarray([0, 1, 2]), [0.0, 1.0, 2.0], [np.int8(0), 1, 2.0], np.arange(3.0)):
        agree(fnp.array(source, dtype), want)
    agree(fnp.asarray(want), want)
    agree(fnp.zeros(2, dtype), np.zeros(2, want.dtype))
    agree(fnp.ones((1, 2), dtype), np.ones((1, 2), want.dtype))
    agree(fnp.full(2, 1, dtype), np.full(2, 1, want.dtype))
    agree(fnp.zeros_like(fnp.asarray(want)), np.zeros(3, want.dtype))
    agree(fnp.full_like(fnp.ones(2), 1, dtype=dtype, shape=(3,)), np.full(3, 1, want.dtype))


def test_floats_keep_all_their_digits():
    agree(fnp.array([0.1, 0.2], "float64"), np.array([0.1, 0.2]))
    agree(fnp.array(0.1, "float64"), np.array(0.1))
    agree(fnp.asarray(np.pi * np.ones(2)), np.pi * np.ones(2))
    agree(fnp.full(2, 0.1, "float64"), np.full(2, 0.1))


def test_lists_of_arrays():
    x = fnp.arange(3.0)
    agree(fnp.array([x, x]), np.array([[0, 1, 2]] * 2, np.float32))
    agree(fnp.array([[x[0], 5], [1, 2]]), np.array([[0, 5], [1, 2]], np.float32))
    mixed = fl.jit(lambda x: fnp.array([x, [1, 2, 3], 2 * x]))(x)
    agree(mixed, np.array([[0, 1, 2], [1, 2, 3], [0, 2, 4]], np.float32))
    agree(fnp.array([np.float64(1), 2]), np.array([1.0, 2.0]))
    agree(fnp.array([np.int8(1), 2]), np.array([1, 2], np.int8))
    agree(fl.grad(lambda x: fnp.sum(fnp.array([x, x * x, 3.0])))(3.0), np.float32(7))
    agree(fnp.array([np.ones(2), np.zeros(2)]), np.array([[1.0, 1], [0, 0]]))
    assert not fnp.array([fnp.array(1.0)]).weak_type and not fl.jit(lambda x: fnp.array([x]))(1.0).weak_type


def test_what_wraps_an_array():
    class Parameter:
        def __jax_array__(self):
            return fnp.array([3.0, 4.0])

    p = Parameter()
    for got in (fnp.asarray(p), p * fnp.ones(2), fnp.ones(2) * p, fnp.maximum(p, 0), fl.jit(lambda x: x * p)(1.0)):
        agree(got, np.array([3, 4], np.float32))


def test_what_numpy_reads_is_taken():
    class Reads:
        def __array__(self, dtype=None, copy=None):
            return np.ones(2, np.float32)

    class Level(enum.IntEnum):
        LOW = 3

    agree(fnp.asarray(Reads()), np.ones(2, np.float32))
    agree(fnp.asarray(bytearray(b"ab")), np.frombuffer(b"ab", np.uint8))
    agree(fnp.asarray(Level.LOW), np.asarray(3, np.int32))
    agree(fnp.asarray(np.arange(2, dtype=">f8")), np.arange(2.0))
    agree(fnp.from_dlpack(np.arange(3)), np.arange(3))
    agree(fnp.array([1, 2], ndmin=3), np.array([[[1, 2]]], np.int32))
    agree(fnp.frombuffer(np.arange(3.0).tobytes(), "float64"), np.arange(3.0))
    agree(fnp.fromiter(range(3), "int16"), np.arange(3, dtype=np.int16))
    agree(fnp.fromstring("1 2 3", "float64", sep=" "), np.array([1.0, 2, 3]))
    agree(fnp.asarray(ml_dtypes.bfloat16(1.5)), np.asarray(1.5, ml_dtypes.bfloat16))


def test_arrays_on_a_device():
    device = fl.devices()[0]
    for made in (fnp.zeros(2, device=device), fnp.asarray([0.0, 0], device=device), fnp.full(2, 0.0, device=device),
                 fnp.linspace(0, 0, 2, device=device), fnp.zeros_like(fnp.ones(2), device=device)):  # fmt: skip
        agree(made, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="is no device"):
        fnp.arange(2, device="gpu:7")


def test_arrays_are_copied_in():
    x = np.ones(2)
    made = fnp.asarray(x)
    x[:] = 5
    agree(made, np.ones(2))
    assert fnp.asarray(made) is made


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fnp.array(None), TypeError, "array: takes arrays and numbers, got None at test_numpy_creation"),
        (lambda: fnp.array("abc"), TypeError, "got a str"),
        (lambda: fnp.array(["a"]), TypeError, "got an array of dtype <U1"),
        (lambda: fnp.array([None]), TypeError, "got an array of dtype object"),
        (lambda: fnp.array({1}), TypeError, "got a set"),
        (lambda: fnp.array(np.array(["2020"], "datetime64[s]")), TypeError, "datetime64"),
        (lambda: fnp.array([[1], [2, 3]]), ValueError, "different lengths"),
        (lambda: fnp.array([[1], [2, 3]], "int32"), ValueError, "different lengths"),
        (lambda: fnp.array([fnp.ones(2), fnp.ones(3)]), ValueError, r"f32\[2\] and f32\[3\].*; give entries of one"),
        (lambda: fnp.array([2**40]), OverflowError, "array: 1099511627776 does not fit i32 at .*; give dtype"),
        (lambda: fnp.array(2**40), OverflowError, "does not fit i32"),
        (lambda: fnp.array([2**70]), OverflowError, "fits no integer dtype"),
        (lambda: fnp.array([300], "uint8"), OverflowError, "300 does not fit u8"),
        (lambda: fnp.array([1], "U1"), TypeError, "array: .* is no dtype of an array"),
        (lambda: fnp.array([1], order="F"), ValueError, "row-major"),
        (lambda: fnp.zeros(-1), ValueError, r"zeros: negative size in the shape \(-1,\)"),
        (lambda: fnp.zeros(1.5), TypeError, "zeros: a shape is a tuple of integers"),
        (lambda: fnp.zeros(2, object), TypeError, "zeros: object is no dtype"),
        (lambda: fnp.full((2,), fnp.ones(3)), ValueError, r"full: cannot broadcast f32\[3\] to the shape \(2,\)"),
        (lambda: fnp.arange(0, 1, 0), ValueError, "arange: the step is 0"),
        (lambda: fnp.arange(2**40), OverflowError, "arange: .* does not fit i32"),
        (lambda: fnp.arange(fnp.ones(2)), TypeError, r"arange: takes real numbers, got f32\[2\]"),
        (lambda: fl.jit(fnp.arange)(3), fl.ConcretizationError, "jit"),
        (lambda: fl.jit(fnp.zeros)(3), fl.ConcretizationError, "jit"),
        (lambda: fnp.linspace(0, 1, -1), ValueError, "linspace: num=-1"),
        (lambda: fnp.tril(fnp.ones(2)), ValueError, r"tril: takes matrices, got f32\[2\]"),
        (lambda: fnp.diag(fnp.ones((1, 1, 1))), ValueError, "diag: takes a vector or a matrix"),
        (lambda: fnp.diagonal(fnp.ones((2, 2)), 0, 1, -1), ValueError, "axis1 and axis2 are both 1"),
        (lambda: fnp.diagonal(fnp.ones((2, 2)), 0, 0, 2), np.exceptions.AxisError, "axis 2 is out of bounds"),
        (lambda: fnp.meshgrid([1, 2], indexing="yx"), ValueError, "indexing='yx'"),
        (lambda: fnp.meshgrid(fnp.ones((2, 2))), ValueError, "meshgrid: takes vectors"),
        (lambda: fnp.vander(fnp.ones((2, 2))), ValueError, "vander: takes a vector"),
        (lambda: fnp.diag_indices_from(fnp.ones((2, 3))), ValueError, "one size"),
        (lambda: fnp.tril_indices_from(fnp.ones(3)), ValueError, "takes a matrix"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "test_numpy_creation.py" in str(caught.value)


# ---- constants ----


def test_constants():
    made = lambda: [fnp.zeros(3), fnp.ones((2, 1), int), fnp.empty(2), fnp.full((2, 3), 7), fnp.zeros(())]
    wants = [np.zeros(3, "f4"), np.ones((2, 1), "i4"), np.zeros(2, "f4"), np.full((2, 3), 7, "i4"), np.zeros((), "f4")]
    for got in everywhere(made):
        for g, want in zip(got, wants, strict=True):
            agree(g, want)
    row = fnp.asarray([1.0, 2.0])
    agree(fnp.full((3, 2), row), np.full((3, 2), [1, 2], np.float32))
    agree(fnp.full_like(np.arange(3), 2.7), np.full_like(np.arange(3), 2))
    agree(fnp.ones_like([1, 2]), np.ones(2, np.int32))
    agree(fnp.zeros_like(fl.ShapeDtypeStruct((2,), np.float16)), np.zeros(2, np.float16))
    agree(fnp.empty_like(row, shape=(1,)), np.zeros(1, np.float32))
    agree(fnp.full(np.array([2, 1]), math.inf), np.full((2, 1), np.inf, np.float32))
    assert fnp.full(2, 1.0).weak_type and not fnp.ones(2).weak_type and fnp.zeros_like(2.0).weak_type


# ---- ranges ----

NUMBERS = st.integers(-20, 20)


@given(NUMBERS, NUMBERS, st.integers(-5, 5).filter(bool), st.sampled_from([None, "int32", "int64", "float64"]))
def test_arange_of_integers(start, stop, step, dtype):
    want = np.arange(start, stop, step).astype(dtype or np.int32)
    agree(fnp.arange(start, stop, step, dtype), want)
    with slow_path():
        agree(fnp.arange(start, stop, step, dtype), want)


@pytest.mark.parametrize("args", [(5,), (2, 5), (0, 1, 0.25), (1, 0, -0.3), (0.0, 5.0), (3, 3), (2, 1), (0, 3, 0.7)])
def test_arange(args):
    want = np.arange(*args)
    want = want.astype(np.float32 if want.dtype.kind == "f" else np.int32)
    for got in everywhere(lambda: fnp.arange(*args)):
        agree(got, want)
    agree(fnp.arange(*args, dtype="float64"), np.arange(*args, dtype=np.float64))


def test_arange_follows_its_arguments():
    agree(fnp.arange(np.float64(3)), np.arange(3.0))
    agree(fnp.arange(np.int8(3)), np.arange(3, dtype=np.int8))
    agree(fnp.arange(2**40, 2**40 + 2, dtype="int64"), np.arange(2**40, 2**40 + 2))
    agree(fnp.arange(2, dtype=bool), np.array([False, True]))
    agree(fnp.arange(3, dtype="complex64"), np.arange(3, dtype=np.complex64))
    agree(fnp.arange(4, dtype="bfloat16"), np.arange(4).astype(ml_dtypes.bfloat16))


@given(st.floats(-5, 5, width=32), st.floats(-5, 5, width=32), st.integers(0, 9), st.booleans())
def test_linspace(start, stop, num, endpoint):
    want = np.linspace(start, stop, num, endpoint)
    agree(fnp.linspace(start, stop, num, endpoint), want, np.float32, ulps=64)
    if num > 1 and endpoint:
        assert float(fnp.linspace(start, stop, num)[-1]) == np.float32(stop)


def test_linspace_of_arrays():
    low, high = operand(1, (2, 3), "float32", special=False), operand(2, (3,), "float32", special=False)
    for axis in (0, 1, 2, -1):
        want, want_step = np.linspace(low, high, 5, axis=axis, retstep=True)
        f = lambda low, high: fnp.linspace(low, high, 5, axis=axis, retstep=True)
        for got, step in (f(low, high), fl.jit(f)(low, high)):
            agree(got, want, np.float32)
            agree(step, want_step, np.float32)
    for ends in ((0, 10, 11), (-7, 8, 5)):
        for got in everywhere(lambda: fnp.linspace(*ends, dtype=int)):
            agree(got, np.linspace(*ends, dtype=np.int32))
    for got in everywhere(lambda: fnp.linspace(0, 1, 4)):
        agree(got, np.linspace(0, 1, 4), np.float32)
    agree(fnp.linspace(0, 1, 4, dtype="float64"), np.linspace(0, 1, 4))
    agree(fnp.linspace(0, 1, 4, dtype="bfloat16"), np.linspace(0, 1, 4), ml_dtypes.bfloat16)
    agree(fnp.linspace(np.float32(0), 0.1, 4, dtype="complex128")[-1], np.asarray(0.1 + 0j))
    agree(fnp.linspace(0, 1j, 3), np.array([0, 0.5j, 1j], np.complex64))
    agree(fl.jacfwd(lambda b: fnp.linspace(0.0, b, 3))(1.0), np.array([0, 0.5, 1], np.float32))
    assert math.isnan(float(fnp.linspace(0, 1, 1, retstep=True)[1]))


def test_logarithmic_ranges():
    def made(numpy):
        return [numpy.logspace(0, 3, 4), numpy.geomspace(1, 1000, 4), numpy.geomspace(-1, -8, 4),
                numpy.logspace(0, 3, 4, base=2.0), numpy.geomspace(2.0, 3.0, 3, endpoint=False)]  # fmt: skip

    for got in everywhere(lambda: made(fnp)):
        for g, want in zip(got, made(np), strict=True):
            agree(g, want, np.float32, ulps=64)
    agree(fnp.logspace(0, 1, 3, dtype="float64"), np.logspace(0, 1, 3))
    agree(fnp.geomspace(1, 7, 3, dtype="float64"), np.geomspace(1, 7, 3))
    assert float(fnp.geomspace(3.0, 7.0, 5)[-1]) == 7.0


# ---- grids and matrices ----


def test_grids():
    x, y, z = np.arange(3), np.arange(2), np.arange(4)
    for kwargs in ({}, {"indexing": "ij"}, {"sparse": True}, {"indexing": "ij", "sparse": True}):
        for arrays in ((x,), (x, y), (x, y, z)):
            for got, want in zip(fnp.meshgrid(*arrays, **kwargs), np.meshgrid(*arrays, **kwargs), strict=True):
                agree(got, want)
    assert fnp.meshgrid() == []
    agree(fnp.indices((2, 3)), np.indices((2, 3)).astype(np.int32))
    for got, want in zip(fnp.indices((2, 3), sparse=True), np.indices((2, 3), sparse=True), strict=True):
        agree(got, want.astype(np.int32))
    f = lambda i, j: 10 * i + j
    agree(fnp.fromfunction(f, (2, 3)), np.fromfunction(f, (2, 3)).astype(np.float32))
    agree(fnp.fromfunction(f, (2, 3), dtype=int), np.fromfunction(f, (2, 3), dtype=np.int32))


@given(st.integers(0, 4), st.integers(0, 4), st.integers(-5, 5))
def test_identities_and_triangles(n, m, k):
    x = operand(n, (2, n, m), "float32")
    for name in ("eye", "tri"):
        want = getattr(np, name)(n, m, k, np.float32)
        agree(getattr(fnp, name)(n, m, k), want)
        with slow_path():
            agree(getattr(fnp, name)(n, m, k), want)
    for name in ("tril", "triu"):
        want = getattr(np, name)(x, k)
        agree(getattr(fnp, name)(fnp.asarray(x), k), want)
        with slow_path():
            agree(getattr(fnp, name)(fnp.asarray(x), k), want)
    agree(fnp.diagonal(x, k, 1, 2), np.diagonal(x, k, 1, 2))
    agree(fnp.diagonal(x, k, 0, 2), np.diagonal(x, k, 0, 2))
    agree(fnp.diag(x[0], k), np.diag(x[0], k))
    vector = operand(m, (m,), "int32")
    agree(fnp.diag(vector, k), np.diag(vector, k))
    agree(fnp.diagflat(x, k), np.diagflat(x, k))


def test_traced_diagonals():
    fs = fnp.eye, fnp.tri, lambda n, m, k: fnp.tril(fnp.ones((n, m)), k), lambda n, m, k: fnp.triu(fnp.ones((n, m)), k)
    for f in fs:
        ks = np.arange(-4, 5)
        want = np.stack([np.asarray(f(3, 4, int(k))) for k in ks])
        agree(fl.vmap(lambda k, f=f: f(3, 4, k))(ks), want)
        agree(fl.jit(f, static_argnums=(0, 1))(3, 4, 1), want[5])
        agree(fl.jit(lambda f=f: f(3, 4, -(2**40)))(), want[0])
    with pytest.raises(TypeError, match="eye: the diagonals are integers"):
        fl.jit(lambda k: fnp.eye(2, k=k))(1.0)


def test_matrices_compiled():
    x = operand(4, (3, 4), "float32")
    fs = [lambda x: fnp.tril(x, -1), lambda x: fnp.triu(x, 1), lambda x: fnp.diag(x, 1), lambda x: fnp.diag(x[0], -2),
          lambda x: fnp.diagonal(x, -1), fnp.trace, lambda x: fnp.eye(3, 4, 1), lambda x: fnp.vander(x[0])]  # fmt: skip
    for f, got in zip(fs, fl.jit(lambda x: [g(x) for g in fs])(x), strict=True):
        agree(got, np.asarray(f(fnp.asarray(x))))
    agree(fl.grad(lambda x: fnp.trace(x))(fnp.ones((2, 3))), np.eye(2, 3, dtype=np.float32))
    weights = fnp.arange(9.0).reshape(3, 3)
    agree(fl.grad(lambda v: fnp.sum(fnp.diag(v) * weights))(fnp.ones(3)), np.array([0, 4, 8], np.float32))


def test_indices_of_matrices():
    for name in ("tril_indices", "triu_indices"):
        for got, want in zip(getattr(fnp, name)(3, 1, 4), getattr(np, name)(3, 1, 4), strict=True):
            agree(got, want.astype(np.int32))
        for got, want in zip(getattr(fnp, f"{name}_from")(np.ones((2, 3)), -1),
                             getattr(np, f"{name}_from")(np.ones((2, 3)), -1), strict=True):  # fmt: skip
            agree(got, want.astype(np.int32))
    for got in (fnp.diag_indices(3, 3), fnp.diag_indices_from(np.ones((3, 3, 3)))):
        assert len(got) == 3
        agree(got[0], np.arange(3, dtype=np.int32))


def test_vander():
    x = operand(5, (4,), "float32", special=False)
    for args in ((), (3,), (6,), (1,), (0,)):
        for increasing in (False, True):
            agree(fnp.vander(x, *args, increasing=increasing), np.vander(x, *args, increasing=increasing), np.float32)
    agree(fnp.vander([1, 2]), np.vander([1, 2]).astype(np.int32))
    agree(fl.jacfwd(lambda x: fnp.vander(x, 3))(fnp.zeros(1))[0, :, 0], np.array([0, 1, 0], np.float32))


def test_windows():
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        agree(getattr(fnp, name)(7), getattr(np, name)(7), np.float32)
    agree(fnp.kaiser(7, 3.5), np.kaiser(7, 3.5), np.float32)


def test_ranges_are_made_inside_the_program():
    """No constant of the size of the result is captured."""
    for f in (lambda: fnp.arange(1000), lambda: fnp.linspace(0, 1, 1000), lambda: fnp.eye(100), lambda: fnp.ones(1000)):
        graph = fl.make_graph(f)()
        assert not graph.ins, graph
