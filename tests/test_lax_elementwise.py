"""`lax`, element by element: conventions of names and arguments; the mathematics is tested with the primitives."""

import inspect

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, lax
from functorch_lite.lax import elementwise


def values(x):
    return np.asarray(x).tolist()


def test_every_name_is_documented_and_shared():
    for name in elementwise.__all__:
        assert inspect.getdoc(getattr(lax, name)), name
        assert getattr(lax, name) is getattr(elementwise, name)


def test_halves_round_as_the_method_says():
    x = fnp.array([0.5, 1.5, -2.5, 2.4])
    assert values(lax.round(x)) == [1, 2, -3, pytest.approx(2)]
    assert values(lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)) == [0, 2, -2, 2]
    assert values(lax.round(x, 1)) == [0, 2, -2, 2]


def test_select_n():
    cases = [fnp.full((5,), float(k)) for k in range(3)]
    which = fnp.array([0, 3, -1, 1, 2], np.int32)
    assert values(lax.select_n(which, *cases)) == [0, 2, 0, 1, 2]
    assert values(lax.select_n(fnp.array(1, np.int32), *cases)) == [1] * 5
    assert values(lax.select_n(fnp.array([True, False, True, False, True]), *cases[:2])) == [1, 0, 1, 0, 1]
    assert values(lax.select_n(fnp.array(True), cases[2])) == [2] * 5
    with pytest.raises(TypeError, match=r"two cases, got 3 at test_lax_elementwise\.py"):
        lax.select_n(fnp.array(True), *cases)
    with pytest.raises(TypeError, match="at least one case"):
        lax.select_n(which)
    with pytest.raises(TypeError, match=r"f32\[5\]"):
        lax.select_n(cases[0], *cases)


def test_select_of_python_numbers():
    pred = fnp.array([True, False])
    made = lax.select(pred, 1, 2.5)
    assert values(made) == [1, 2.5] and made.dtype == np.float32
    assert values(lax.select(pred, 1, 2)) == [1, 2]
    assert values(lax.select(pred, fnp.array([3.0, 4.0]), 0)) == [3, 0]
    with pytest.raises(TypeError, match=r"predicate is i32\[2\], not boolean"):
        lax.select(fnp.array([1, 0]), 1, 2)
    with pytest.raises(ValueError, match=r"bool\[2\] does not fit f32\[3\]"):
        lax.select(pred, fnp.array([3.0, 4.0, 5.0]), 0)


def test_powers():
    x = fnp.array([-2.0, 3.0])
    assert values(lax.pow(x, 3)) == [-8, 27]
    assert values(lax.pow(x, -1)) == [-0.5, pytest.approx(1 / 3)]
    assert values(lax.pow(x, fnp.array([3, -1]))) == [-8, pytest.approx(1 / 3)]
    assert values(lax.pow(2.0, fnp.array([3, -1]))) == [8, 0.5]
    assert values(lax.integer_pow(fnp.array([2, -3]), 3)) == [8, -27]
    assert values(lax.integer_pow(fnp.array([2, 0]), 0)) == [1, 1]
    with pytest.raises(ValueError, match=r"no power -1, got i32\[1\]"):
        lax.integer_pow(fnp.array([2]), -1)
    with pytest.raises(TypeError, match=r"pow: does not take i32"):
        lax.pow(fnp.array([2]), fnp.array([2]))


def test_complex_parts():
    z = lax.complex(fnp.array([1.0, 2.0]), 3.0)
    assert z.dtype == np.complex64 and values(z) == [1 + 3j, 2 + 3j]
    assert values(lax.conj(z)) == [1 - 3j, 2 - 3j]
    assert values(lax.conj(fnp.array([1.0]))) == [1 + 0j]
    assert values(lax.abs(fnp.array([3 + 4j]))) == [5]
    assert values(lax.lt(z, fnp.array([1 + 4j, 1 + 4j]))) == [True, False]
    with pytest.raises(TypeError, match=r"real: does not take f32"):
        lax.real(fnp.array([1.0]))


def test_conversions():
    x = fnp.array([1.7, -1.7, np.nan, 1e20])
    made = lax.convert_element_type(x, int)
    assert made.dtype == np.int32 and not made.weak_type and values(made) == [1, -1, 0, 2**31 - 1]
    assert lax.convert_element_type(2.0, np.float16).dtype == np.float16
    assert lax.convert_element_type(x, "bfloat16").dtype == dtypes.canonical("bfloat16")
    with pytest.raises(TypeError, match="no dtype of an array"):
        lax.convert_element_type(x, str)


def test_bits():
    x = fnp.array([1.0, -2.0], np.float32)
    bits = lax.bitcast_convert_type(x, np.uint32)
    assert values(bits) == [0x3F800000, 0xC0000000]
    octets = lax.bitcast_convert_type(x, np.uint8)
    assert octets.shape == (2, 4) and values(lax.bitcast_convert_type(octets, np.float32)) == [1, -2]
    with pytest.raises(TypeError, match=r"does not take bool\[1\] to i8"):
        lax.bitcast_convert_type(fnp.array([True]), np.int8)
    with pytest.raises(ValueError, match=r"4 elements make one f32, .* got u8\[2\]"):
        lax.bitcast_convert_type(fnp.array([1, 2], np.uint8), np.float32)
    assert values(lax.reduce_precision(fnp.array([1.2345]), 5, 3)) == [1.25]
    with pytest.raises(ValueError, match="0 exponent"):
        lax.reduce_precision(x, 0, 3)


def test_clamp():
    x = fnp.array([-1.0, 0.5, 3.0])
    assert values(lax.clamp(0.0, x, 1.0)) == [0, 0.5, 1]
    assert values(lax.clamp(x, 1.0, fnp.array([0.0, 2.0, 4.0]))) == [0, 1, 3]
    assert values(lax.clamp(2.0, x, 1.0)) == [1, 1, 1]
    with pytest.raises(ValueError, match=r"the bound f32\[2\] does not fit the shape \(3,\)"):
        lax.clamp(fnp.array([0.0, 1.0]), x, 1.0)


def test_stop_gradient_goes_through_trees():
    made = lax.stop_gradient({"a": fnp.array([1.0]), "b": (fnp.array([2]), None)})
    assert values(made["a"]) == [1] and values(made["b"][0]) == [2] and made["b"][1] is None


def test_python_numbers_take_the_dtype_beside_them():
    half = fnp.array([1.5], np.float16)
    assert lax.add(half, 1).dtype == np.float16 and values(lax.max(half, 2)) == [2]
    assert lax.div(1, half).dtype == np.float16
    assert values(lax.reciprocal(half)) == [pytest.approx(2 / 3, rel=1e-3)]
    with pytest.raises(OverflowError, match="300 does not fit u8"):
        lax.add(fnp.array([1], np.uint8), 300)
    with pytest.raises(TypeError, match=r"1.5 is no value of i32.*test_lax_elementwise\.py"):
        lax.add(fnp.array([1]), 1.5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int4"])
def test_constants_divided_by_zero(dtype):
    """XLA would divide them while it compiles, and take the process with it."""
    full = lambda n: lax.full((2,), n, dtype)
    for f in (lambda x: lax.div(full(5), full(0)), lambda x: lax.rem(full(5), full(0)),
              lambda x: lax.div(full(5), lax.sub(x, x)), lambda x: lax.rem(full(5), lax.sub(x, x))):  # fmt: skip
        x = full(1)
        assert values(fl.jit(f)(x)) == values(f(x))


@pytest.mark.parametrize("name", ["mul", "atan2", "lt", "pow", "complex", "max"])
def test_an_operand_without_axes_is_repeated(name):
    f, x, s = getattr(lax, name), fnp.array([[1.0, 2, 3]]), np.float32(2)
    full = fnp.full((1, 3), s)
    for got, want in ((f(s, x), f(full, x)), (f(x, s), f(x, full)), (fl.jit(f)(x, s), f(x, full))):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-6)
    with pytest.raises(ValueError, match="cannot broadcast"):
        f(x, x[0])


@pytest.mark.parametrize(
    "call",
    [lambda x: lax.convert_element_type(x, "a"), lambda x: lax.bitcast_convert_type(x, "a"), lambda x: lax.iota("a", 2),
     lambda x: lax.full((2,), 1, "a"), lambda x: lax.full_like(x, 1, "a"), lambda x: lax.argmax(x, 0, "a"),
     lambda x: lax.dot(x, x, preferred_element_type="a")],
)  # fmt: skip
def test_what_is_no_dtype(call):
    with pytest.raises(TypeError, match=r"'a' is no dtype .* at test_lax_elementwise.py:\d+"):
        call(fnp.ones(2))
