"""What the array API standard asks of the namespace: questions about it, exchange of memory, and its own rules."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.testing import given

NAMES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
INFO = fnp.__array_namespace_info__()


# ---- questions ----


def test_dtypes_by_kind():
    assert list(INFO.dtypes()) == NAMES and all(INFO.dtypes()[n] == getattr(fnp, n) for n in NAMES)
    assert list(INFO.dtypes(kind="unsigned integer", device=fl.devices()[0])) == NAMES[5:9]
    assert list(INFO.dtypes(kind=("bool", "complex floating"))) == [NAMES[0], *NAMES[11:]]
    for bad in ({"kind": "float"}, {"kind": ("bool", "float")}, {"device": "gpu"}):
        with pytest.raises(ValueError, match=r"dtypes: .* test_array_api\.py"):
            INFO.dtypes(**bad)
    with pytest.raises((TypeError, ValueError), match=r"isdtype: .*no kind"):
        fnp.isdtype("int8", ("integral", "no kind"))


def test_defaults_are_what_creation_gives():
    for width in ("float32", "float64"):
        with fl.config.default_dtype(width):
            found = INFO.default_dtypes()
            assert found["real floating"] == fnp.zeros(1).dtype == width and found["integral"] == fnp.arange(2).dtype
            assert found["complex floating"] == fnp.asarray(1j).dtype
            assert found["indexing"] == fnp.argmax(fnp.zeros(2)).dtype
    assert INFO.default_device() == fnp.zeros(1).device and INFO.default_device() in INFO.devices()
    assert INFO.capabilities()["boolean indexing"] and INFO.capabilities()["data-dependent shapes"]


def test_versions():
    x = fnp.ones(1)
    assert x.__array_namespace__(api_version=fnp.__array_api_version__) is x.__array_namespace__() is fnp
    with pytest.raises(ValueError, match=r"api_version='1999\.12' at test_array_api\.py"):
        x.__array_namespace__(api_version="1999.12")


@given(st.data())
def test_the_strategies_of_hypothesis_draw_our_arrays(data):
    xps = make_strategies_namespace(fnp)
    x = data.draw(xps.arrays(xps.scalar_dtypes(), xps.array_shapes(min_dims=0, min_side=0)))
    assert isinstance(x, fnp.ndarray) and x.dtype.name in NAMES


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex128"])
def test_limits_are_python_numbers(dtype):
    for asked in (dtype, fnp.ones(2, dtype)):
        info = fnp.finfo(asked)
        assert {type(getattr(info, n)) for n in ("eps", "max", "min", "smallest_normal")} == {float}
        assert type(info.bits) is int and (fnp.ones(2, info.dtype) * info.eps).dtype == info.dtype
    assert type(fnp.iinfo(fnp.ones(2, "uint8")).max) is int


# ---- exchange ----


@pytest.mark.parametrize("dtype", [*NAMES, "float16"])
def test_memory_goes_round_by_dlpack(dtype):
    for x in (fnp.asarray([[0, 1], [1, 1]], dtype), fl.jit(fnp.logical_not)(fnp.asarray([True, False])).astype(dtype)):
        for copy in (None, True, False):
            there = np.from_dlpack(x, copy=copy)
            assert there.dtype == dtype and there.tolist() == x.tolist() and there.flags.writeable == bool(copy)
            back = fnp.from_dlpack(there, copy=copy, device=x.device)
            assert back.dtype == dtype and back.tolist() == x.tolist()
        assert np.shares_memory(np.asarray(fnp.from_dlpack(there, copy=False)), there)
        assert x.__dlpack__() and x.__dlpack__(max_version=(1, 0), dl_device=x.__dlpack_device__())
    assert fnp.from_dlpack(x) is x


class Foreign:
    """An exporter without `__array__`, as those of other libraries are for dtypes that NumPy does not have."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **asked):
        return self.x.__dlpack__(**asked)

    def __dlpack_device__(self):
        return (1, 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float32"])
def test_dtypes_that_numpy_does_not_exchange(dtype):
    x = fnp.asarray([[0.5, 1], [2, 3]], dtype)
    for give in (fnp.from_dlpack, fnp.asarray, lambda y: fnp.from_dlpack(y, copy=True), lambda y: fnp.add(y, 0)):
        assert give(Foreign(x)).dtype == x.dtype and give(Foreign(x)).tolist() == x.tolist()
    assert x.__dlpack__(copy=True)


def test_what_cannot_be_exchanged():
    x = fnp.ones((2, 3))
    with pytest.raises(BufferError, match=r"f32\[2,3\] is exported in the memory of the CPU.*test_array_api\.py"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(TypeError, match=r"from_dlpack: .*got a list at test_array_api\.py.*asarray"):
        fnp.from_dlpack([1])
    with pytest.raises(BufferError, match="not row-major; leave copy=False out"):
        fnp.from_dlpack(np.ones((2, 3)).T, copy=False)


def test_asarray_without_a_copy():
    x = fnp.ones(2)
    assert fnp.asarray(x, copy=False) is x and fnp.asarray(x, "float32", copy=False) is x
    assert fl.jit(lambda x: fnp.asarray(x, copy=False))(x).tolist() == [1, 1]
    for bad in (lambda: fnp.asarray([1], copy=False), lambda: fnp.asarray(x, "int8", copy=False),
                lambda: fnp.asarray(np.ones(2), copy=False)):  # fmt: skip
        with pytest.raises(ValueError, match=r"asarray: .* at test_array_api\.py.* needs a copy; leave copy=False out"):
            bad()


def test_a_traced_array_has_a_device():
    make = lambda x: fnp.zeros(2, device=x.device) + x
    for transformed in (fl.jit(make), fl.vmap(make, axis_size=1), fl.jacfwd(make)):
        assert transformed(fnp.ones(1)).shape[-1] in (1, 2)


class Tensor:
    """An array of another library, with a method that has the name of an attribute of ours."""

    def __init__(self, x):
        self.x = np.asarray(x)
        self.shape, self.dtype = self.x.shape, self.x.dtype

    def type(self):
        return "Tensor"

    def __array__(self, dtype=None, copy=None):
        return self.x


@pytest.mark.parametrize(
    "call",
    [
        lambda x: fl.vmap(fnp.sin)(x),
        lambda x: fl.jit(fl.vmap(fnp.sin))(x),
        lambda x: fl.vmap(lambda _, y: fnp.sin(y), in_axes=(0, None))(fnp.ones(1), x)[0],
        lambda x: fl.jit(lambda y: fnp.sin(x) + 0 * y)(1.0),
        lambda x: fl.closure_convert(lambda y: fnp.sin(y), x)[0](x),
        lambda x: fl.lax.cond(True, fnp.sin, fnp.cos, x),
        lambda x: fl.lax.map(fnp.sin, x),
        lambda x: fl.grad(lambda y: -fnp.sum(fnp.cos(y)))(x),
    ],
)
def test_arrays_of_other_libraries_are_arguments(call):
    np.testing.assert_allclose(call(Tensor([1.0, 2.0])), np.sin([1.0, 2.0]), rtol=1e-6)


def test_arrays_of_other_libraries_are_indices():
    x = fnp.arange(6).reshape(2, 3)
    assert x[:, Tensor([2, 0])].tolist() == [[2, 0], [5, 3]] and x[Tensor([False, True])].tolist() == [[3, 4, 5]]
    assert x.at[Tensor([1])].set(0).tolist() == [[0, 1, 2], [0, 0, 0]]
    with pytest.raises(IndexError, match="an index of dtype float64 at test_array_api"):
        x[Tensor([1.0])]


# ---- rules of single functions ----


def test_counts_of_repeat_have_any_integer_dtype():
    for dtype in NAMES[1:9]:
        assert fnp.repeat(fnp.arange(3), fnp.asarray([2, 0, 1], dtype)).tolist() == [0, 0, 2]


@pytest.mark.parametrize("name", ["log2", "log10"])
def test_logarithms_of_infinite_complex_numbers(name):
    x = np.array([0, np.inf, -np.inf, complex(1, np.inf), 3 - 4j], "complex64")
    with np.errstate(divide="ignore"):
        want = getattr(np, name)(x)
    for fun in (getattr(fnp, name), fl.jit(getattr(fnp, name))):
        for part in (np.real, np.imag):
            np.testing.assert_allclose(part(fun(x)), part(want), rtol=1e-6)


# ---- arguments that are none ----


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: fnp.hamming((3,)), TypeError, r"hamming: the number of points is an integer, got \(3,\)"),
        (lambda x: fnp.diff(x, 1.5), TypeError, "diff: n is an integer, got 1.5"),
        (lambda x: fnp.array_split(x, 1.5), TypeError, "array_split: the number of parts is an integer, got 1.5"),
        (lambda x: fnp.split(x, [x]), TypeError, r"split: a position is an integer, got f32\[2,2\]"),
        (lambda x: fnp.tril_indices(2, k="a"), TypeError, "tril_indices: k is an integer, got 'a'"),
        (lambda x: fnp.eye(2, k=1.5), TypeError, "eye: a diagonal is an integer, got 1.5"),
        (lambda x: fnp.linalg.matrix_power(x, 0.5), TypeError, "matrix_power: n is an integer, got 0.5"),
        (lambda x: fnp.tensordot(x, x, 0.5), TypeError, "tensordot: a count of axes is an integer, got 0.5"),
        (lambda x: fnp.round(x, None), TypeError, "round: the number of decimals is an integer, got None"),
        (lambda x: fnp.sort(x, axis=1.0), TypeError, "sort: an axis is an integer, got 1.0"),
        (lambda x: fnp.sum(x, axis=fnp.ones((2, 2))), TypeError, r"sum: an axis is an integer, got f32\[2,2\]"),
        (lambda x: fnp.zeros((x, 2)), TypeError, "zeros: a shape is a tuple of integers, got "),
        (lambda x: fnp.permute_dims(x, 1), ValueError, "transpose: 1 is no order of the 2 axes"),
        (lambda x: fnp.rot90(x, axes=(0,)), ValueError, r"rot90: turns in the plane of two axes, got \(0,\)"),
        (lambda x: fnp.rot90(x, axes=1), ValueError, "rot90: turns in the plane of two axes, got 1"),
        (lambda x: fnp.trim_zeros(1.0), ValueError, r"trim_zeros: f32\[\] at .* has no axes"),
        (lambda x: fnp.lexsort(1), TypeError, "lexsort: takes a sequence of keys, got 1"),
        (lambda x: fnp.concat(fnp.zeros((0, 2))), ValueError, "concatenate: needs at least one array, got none"),
        (lambda x: fnp.nonzero(x, size=-1), ValueError, "nonzero: size is at least 0, got -1"),
        (lambda x: fnp.unique_values(x, size=1.5), TypeError, "unique: size is an integer, got 1.5"),
        (lambda x: fnp.repeat(x, [[1, 2]]), ValueError, r"repeat: i32\[1,2\] does not fit axis 0 of f32\[4\]"),
        (lambda x: fnp.repeat(x, 2, total_repeat_length=-1), ValueError, "total_repeat_length is at least 0, got -1"),
        (lambda x: fnp.arange(0, np.inf), ValueError, "arange: from 0 to inf by 1 at .* has no end"),
        (lambda x: fnp.histogram(x, range=3), ValueError, "histogram: range is a pair of numbers, got 3"),
        (lambda x: fnp.finfo("int8"), TypeError, "finfo: i8 is no float dtype; use iinfo for integers"),
        (lambda x: fnp.iinfo(float), TypeError, "iinfo: f32 is no integer dtype"),
        (lambda x: fnp.fmin(fnp.ones(2, "uint8"), 300), OverflowError, "300 does not fit u8.* give a dtype that does"),
        (lambda x: x[np.array([["a", "b"], ["c", "d"]])], IndexError, "an index of dtype <U1"),
        (lambda x: f"{x:.2f}", TypeError, r"f32\[2,2\] takes no format '.2f', at .*; format its elements, or round it"),
        (lambda x: x[{1: np.zeros((3, 3))}], IndexError, "array.* is no index; use integers"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(fnp.ones((2, 2)))
    assert "test_array_api.py" in str(caught.value) and "\n" not in str(caught.value)
