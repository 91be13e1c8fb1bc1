"""Fourier transforms: NumPy's values, XLA's, the laws of the passes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prim_laws import agree, draw, laws

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, lax
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import fft as p

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
REAL = {"rfft", "ihfft", "rfft2", "rfftn"}
NORMS = [None, "backward", "ortho", "forward"]


def near(got, want):
    want, got = np.asarray(want), np.asarray(got)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    size = np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=40 * np.finfo(want.dtype).eps * size)


def operand(rng, name, shape, wide):
    dtype = f"float{wide}" if name in REAL else f"complex{2 * wide}"
    return draw(rng, shape, dtype)


def compare(name, x, **options):
    """Eagerly and compiled, as NumPy has it."""
    want = getattr(np.fft, name)(x, **options)
    f = lambda x: getattr(fnp.fft, name)(x, **options)
    near(f(x), want)
    near(fl.jit(f)(x), want)


# ---- values ----


@pytest.mark.parametrize("name", ONE)
@settings(max_examples=12, deadline=None)
@given(st.data(), st.integers(0, 2**31))
def test_one_axis(name, data, seed):
    shape = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    x = operand(np.random.default_rng(seed), name, shape, data.draw(st.sampled_from([32, 64])))
    compare(name, x, n=data.draw(st.none() | st.integers(1, 9)), axis=data.draw(st.integers(-x.ndim, x.ndim - 1)),
            norm=data.draw(st.sampled_from(NORMS)))  # fmt: skip


@pytest.mark.parametrize("name", MANY)
@settings(max_examples=8, deadline=None)
@given(st.data(), st.integers(0, 2**31))
def test_many_axes(name, data, seed):
    x = operand(np.random.default_rng(seed), name, data.draw(st.lists(st.integers(2, 4), min_size=2, max_size=4)), 64)
    options = {"norm": data.draw(st.sampled_from(NORMS))}
    if data.draw(st.booleans()):
        options["axes"] = data.draw(st.permutations(range(x.ndim)))[:2]
        options["s"] = data.draw(st.none() | st.tuples(st.integers(1, 5), st.integers(1, 5)))
    compare(name, x, **options)


def test_other_dtypes():
    for dtype in ("bool", "int8", "uint64", "float16", "bfloat16"):
        x = np.arange(4).astype(dtypes.canonical(dtype))
        near(fnp.fft.fft(x), np.fft.fft(x.astype("float32")))
        near(fnp.fft.rfft(x), np.fft.rfft(x.astype("float32")))
        near(fnp.fft.irfft(x), np.fft.irfft(x.astype("complex64")))
    with fl.config.default_dtype("float64"):
        near(fnp.fft.fft([1, 2, 4]), np.fft.fft([1, 2, 4]))
    for empty in (np.zeros((0, 3)), np.zeros((2, 0, 3), "complex64")):
        compare("fft", empty)
        compare("irfft", empty)
    near(fnp.fft.fftn(np.ones((2, 3)), axes=()), np.ones((2, 3), complex))


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_frequencies(n):
    for name in ("fftfreq", "rfftfreq"):
        want = getattr(np.fft, name)(n, 0.5)
        near(getattr(fnp.fft, name)(n, 0.5), want.astype("float32"))
        near(getattr(fnp.fft, name)(n, d=0.5, dtype="float64", device=fl.devices()[0]), want)
        near(fl.jit(lambda d, name=name: getattr(fnp.fft, name)(n, d, dtype="float64"))(np.float64(0.5)), want)
    x = np.arange(2.0 * n).reshape(2, n)
    for axes in (None, 1, (0, 1)):
        near(fnp.fft.fftshift(x, axes), np.fft.fftshift(x, axes))
        near(fnp.fft.ifftshift(fnp.fft.fftshift(x, axes), axes=axes), x)


def test_lax():
    x = draw(np.random.default_rng(0), (3, 4, 5))
    z = np.fft.rfftn(x, axes=(1, 2))
    near(lax.fft(x, "RFFT", (4, 5)), z)
    near(lax.fft(z, lax.FftType.IRFFT, (4, 5)), x)
    near(lax.fft(lax.fft(z, "FFT", [4, 3]), "IFFT", (4, 3)), z)
    agree([(kind, lambda x, k=kind: p.fft(x, k, 5, 1), [draw(np.random.default_rng(1), (2, 5 if kind != "irfft" else 3),
           "float32" if kind == "rfft" else "complex64")]) for kind in p.KINDS], ulps=32)  # fmt: skip


# ---- derivatives and vmap ----


@pytest.mark.parametrize("kind", p.KINDS)
@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("axis", [0, 1])
def test_laws(kind, size, axis):
    rng = np.random.default_rng(size)
    shape = [2, 2]
    shape[axis] = p.half(size) if kind == "irfft" else size
    x = draw(rng, shape, "float64" if kind == "rfft" else "complex128")
    laws(lambda x: p.fft(x, kind, size, axis), [x], rng)
    if kind == "rfft":  # a second derivative, through the transpose
        laws(lambda x: p.fft(e.square(p.fft(x, kind, size, axis)), "irfft", size, axis), [x], rng, order=2)


def test_the_derivative_of_a_filter():
    """A product of spectra is a circular convolution, whose derivative is known."""
    x, h = fnp.arange(6.0), fnp.asarray([1.0, 0.5, 0, 0, 0, 0.25])
    smooth = lambda x: fnp.fft.irfft(fnp.fft.rfft(x) * fnp.fft.rfft(h), 6)
    want = np.stack([np.roll(np.asarray(h), k) for k in range(6)], 1)
    for jacobian in (fl.jacrev(smooth), fl.jacfwd(smooth), fl.jit(fl.jacrev(smooth))):
        np.testing.assert_allclose(jacobian(x), want, atol=1e-6)
    np.testing.assert_allclose(fl.vmap(smooth)(fnp.stack([x, 2 * x]))[1], 2 * smooth(x), rtol=1e-5)


# ---- refusals ----


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fnp.fft.fft(1.0), ValueError, "fft: axis -1 is out of bounds"),
        (lambda: fnp.fft.fft(fnp.ones(3), 0), ValueError, "fft: transforms at least one element, got 0"),
        (lambda: fnp.fft.fft(fnp.ones(0)), ValueError, "at least one element, got 0"),
        (lambda: fnp.fft.fft(fnp.ones(3), 2.5), TypeError, "fft: a size is an integer, got 2.5"),
        (lambda: fnp.fft.ifft(fnp.ones(3), norm="unit"), ValueError, "ifft: norm='unit'.*'ortho'"),
        (lambda: fnp.fft.hfft(fnp.ones(3), norm="unit"), ValueError, "hfft: norm='unit'"),
        (lambda: fnp.fft.rfft(fnp.ones(3) * 1j), TypeError, r"rfft: takes real numbers, got c64\[3\].*use `fft`"),
        (lambda: fnp.fft.fft2(fnp.ones(3)), ValueError, "fft2: axis -2 is out of bounds"),
        (lambda: fnp.fft.fftn(fnp.ones((3, 3)), s=(2,), axes=(0, 1)), ValueError, "fftn: got 1 sizes for 2 axes"),
        (lambda: fnp.fft.rfftn(fnp.ones(3), axes=()), ValueError, "rfftn: needs at least one axis"),
        (lambda: fnp.fft.fftfreq(0), ValueError, "fftfreq: transforms at least one"),
        (lambda: lax.fft(fnp.ones(3) * 1j, "DCT", (3,)), ValueError, "fft: fft_type='DCT' is unknown.*RFFT"),
        (lambda: lax.fft(fnp.ones(3), "FFT", (3,)), TypeError, r"fft: takes complex numbers, got f32\[3\]"),
        (lambda: lax.fft(fnp.ones(3), "RFFT", (4,)), ValueError, r"axis 0 of f32\[3\] is not that .* its size is 4"),
        (lambda: lax.fft(fnp.ones(3), "RFFT", (1, 3)), ValueError, r"fft: fft_lengths=\(1, 3\) for f32\[3\]"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "test_fft.py" in str(caught.value) and "\n" not in str(caught.value)
