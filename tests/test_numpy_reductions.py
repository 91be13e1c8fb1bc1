"""Reductions, cumulative sums, statistics and calculus against NumPy, in every dtype, eagerly and compiled."""

import itertools
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_cases import DTYPES, REAL, agree, inexact, operand, slow_path, wide

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes

FOLDS = ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "ptp", "count_nonzero")
SHAPES = ((), (4,), (2, 3), (3, 1, 2), (1, 5))


def quiet(f, *args, **kwargs):
    """What NumPy says, without its warnings."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


def sum_dtype(dtype):
    kind, size = dtypes.kind(dtype), dtype.itemsize
    if kind == "b" or (kind in "iu" and size < 4):
        return np.dtype(np.uint32 if kind == "u" else np.int32)
    return dtype


def want_dtype(name, dtype):
    if name in ("any", "all"):
        return np.dtype(bool)
    if name == "count_nonzero":
        return np.dtype(np.int32)
    if name in ("sum", "prod"):
        return sum_dtype(dtype)
    if name in ("mean", "var", "std"):
        made = inexact(dtype)
        return made if name == "mean" else dtypes.real_of(made)
    return dtype


def axes_of(shape):
    n = len(shape)
    return st.sampled_from([None, *range(-n, n), tuple(range(n)), (0, -1) if n > 1 else ()])


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.sampled_from(FOLDS), st.integers(0, 1 << 20))
def test_reductions(data, dtype, shape, name, seed):
    axis, keepdims = data.draw(axes_of(shape)), data.draw(st.booleans())
    x = operand(seed, shape, dtype, special=False)
    if (name in ("max", "min", "ptp") and dtype == "complex64") or (name == "ptp" and dtype == "bool"):
        return
    kwargs = {"axis": axis, "keepdims": keepdims}
    want = quiet(getattr(np, name), wide(x), **kwargs)
    if name == "prod" and dtype in ("float16", "int8", "uint8"):
        return  # products overflow narrow dtypes in another order
    got = getattr(fnp, name)(fnp.asarray(x), **kwargs)
    agree(got, want, want_dtype(name, x.dtype), ulps=64)
    with slow_path():
        agree(getattr(fnp, name)(fnp.asarray(x), **kwargs), want, want_dtype(name, x.dtype), ulps=64)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "bfloat16", "float16", "float32", "float64", "complex64"])
def test_reductions_compiled(dtype):
    x = operand(3, (3, 4), dtype, special=False)
    refused = {"complex64": ("max", "min", "ptp"), "bool": ("ptp",)}.get(dtype, ())
    names = [n for n in FOLDS if n not in refused]
    every = lambda x: [getattr(fnp, name)(x, axis=axis) for name in names for axis in (None, 0, (0, 1))]
    for (name, axis), got in zip(itertools.product(names, (None, 0, (0, 1))), fl.jit(every)(x), strict=True):
        want = quiet(getattr(np, name), wide(x), axis=axis)
        if name != "prod" or dtype not in ("float16", "uint8"):
            agree(got, want, want_dtype(name, x.dtype), ulps=64)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_floats_are_summed_in_float32(dtype):
    """Ten thousand ones are no 2048 in float16, nor 256 in bfloat16."""
    x = np.full(10000, 1, dtypes.canonical(dtype))
    for f in (fnp.sum, fl.jit(fnp.sum)):
        assert abs(float(f(x)) - 10000) <= 32
    for f in (fnp.mean, fl.jit(fnp.mean), fnp.prod):
        assert float(f(x)) == 1
    assert float(fnp.cumsum(x)[-1]) == pytest.approx(10000, rel=0.01)


def test_dtypes_of_sums():
    x = fnp.asarray([100, 100, 100], "int8")
    agree(fnp.sum(x), np.asarray(300, np.int32))
    agree(fnp.sum(x, promote_integers=False), np.asarray(44, np.int8))
    agree(fnp.sum(x, dtype="int64"), np.asarray(300))
    agree(fnp.sum(x, dtype="float16"), np.asarray(300, np.float16))
    agree(fnp.prod(x.astype("uint8"), dtype="float32"), np.asarray(1e6, np.float32))
    agree(fnp.sum(fnp.asarray([1], "uint64")), np.asarray(1, np.uint64))
    agree(fnp.mean(x, dtype="float64"), np.asarray(100.0))
    agree(fnp.var(x, dtype="float64"), np.asarray(0.0))
    agree(fnp.sum([True, True]), np.asarray(2, np.int32))
    agree(fnp.sum(fnp.asarray([1j]), dtype="float32"), np.asarray(0, np.float32))
    with fl.config.default_dtype("float64"):
        agree(fnp.sum(fnp.asarray([1], "int32")), np.asarray(1))
        agree(fnp.argmax(fnp.ones(2)), np.asarray(0))
        agree(fnp.mean(fnp.asarray([1, 2])), np.asarray(1.5))


@given(st.sampled_from(["float32", "int32", "bool", "complex64"]), st.integers(0, 1 << 20),
       st.sampled_from([None, 0, 1, (0, 1)]))  # fmt: skip
def test_masks_and_initial_values(dtype, seed, axis):
    x, mask = operand(seed, (3, 4), dtype, special=False), operand(seed, (3, 1) if seed % 2 else (4,), "bool")
    for name in ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std"):
        if name in ("max", "min") and dtype == "complex64":
            continue
        kwargs = {"axis": axis, "where": mask}
        if name in ("sum", "prod", "max", "min"):
            kwargs["initial"] = {"bool": True, "complex64": 2.0}.get(dtype, 3)
        want = quiet(getattr(np, name), wide(x), **kwargs)
        agree(getattr(fnp, name)(fnp.asarray(x), **kwargs), want, want_dtype(name, x.dtype), ulps=64)


def test_extremes_of_nothing():
    agree(fnp.max(fnp.zeros((0, 2)), axis=0, initial=-5.0), np.full(2, -5.0, np.float32))
    agree(fnp.min(fnp.zeros((0, 2), int), axis=0, initial=3, keepdims=True), np.full((1, 2), 3, np.int32))
    for f, want in ((fnp.max, 4), (fnp.min, -2), (fnp.nanmin, -2), (fnp.sum, 3), (fnp.prod, -8)):
        agree(f(np.array([1, 4], np.int32), initial=-2.5), np.array(want, np.int32))


def test_variance():
    x = operand(5, (4, 6), "float32", special=False)
    for ddof in (0, 1, 2):
        agree(fnp.var(x, axis=1, ddof=ddof), np.var(wide(x), axis=1, ddof=ddof), np.float32)
        agree(fnp.std(fnp.asarray(x), 1, ddof=ddof), np.std(wide(x), axis=1, ddof=ddof), np.float32)
    agree(fnp.var(x, axis=0, correction=1), np.var(wide(x), axis=0, ddof=1), np.float32)
    agree(fnp.var(x, axis=0, mean=np.zeros((1, 6), np.float32)), np.mean(wide(x) ** 2, axis=0), np.float32)
    shifted = fnp.asarray(1e4 + np.arange(5, dtype=np.float32))  # the two-pass formula keeps the digits
    for f in (fnp.var, fl.jit(fnp.var)):
        agree(f(shifted), np.asarray(2.0), np.float32)
    with pytest.raises(ValueError, match="var: ddof and correction are the same thing"):
        fnp.var(x, ddof=1, correction=1)
    for data, ddof in (([1.0], 1), ([1.0], 1.5), ([1.0, 3], 2.5), ([], 1), ([1.0, 1], 3)):
        every = lambda x, ddof=ddof: (fnp.var(x, ddof=ddof), fnp.var(x, ddof=ddof, where=x == x))
        data = np.array(data, np.float32)
        with warnings.catch_warnings(action="ignore"):
            want = np.var(data, ddof=ddof)
        for got in (*every(fnp.asarray(data)), *every(data), *fl.jit(every)(data)):
            agree(got, want)
        assert np.isnan(float(fnp.nanvar(data, ddof=ddof)))


def test_average():
    x, w = operand(6, (3, 4), "float32", special=False), np.abs(operand(7, (4,), "float32", special=False)) + 1
    agree(fnp.average(x), np.average(x), np.float32)
    for kwargs in ({"axis": 1, "weights": w}, {"weights": np.abs(x) + 1}, {"axis": 1, "weights": w, "keepdims": True}):
        agree(fnp.average(x, **kwargs), np.average(wide(x), **kwargs), np.float32)
    got, total = fnp.average(x, 0, returned=True)
    agree(got, np.mean(wide(x), 0), np.float32)
    agree(total, np.full(4, 3.0), np.float32)
    agree(fnp.average([1, 2, 3], weights=[3, 2, 1]), np.asarray(10 / 6), np.float32)
    with pytest.raises(ValueError, match=r"average: weights of f32\[4\] fit neither"):
        fnp.average(x, axis=0, weights=w)


@pytest.mark.parametrize("dtype", REAL)
def test_positions_of_extremes(dtype):
    x = operand(8, (4, 5), dtype)
    ways = list(itertools.product(("argmax", "argmin"), (None, 0, -1), (False, True)))
    every = lambda x: [getattr(fnp, name)(x, axis=axis, keepdims=keep) for name, axis, keep in ways]
    wants = [getattr(np, name)(wide(x), axis=axis, keepdims=keep) for name, axis, keep in ways]
    every_way = [every(fnp.asarray(x)), *([fl.jit(every)(x)] if dtype in ("bool", "float32", "int8") else [])]
    for results in every_way:
        for got, want in zip(results, wants, strict=True):
            agree(got, want, np.int32)


# ---- cumulative, and without NaN ----


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.integers(0, 1 << 20))
def test_running_sums(data, dtype, shape, seed):
    axis = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    x = operand(seed, shape, dtype, special=False)
    for name in ("cumsum", "cumprod", "nancumsum", "nancumprod"):
        if "prod" in name and dtype in ("float16", "bfloat16"):
            continue
        agree(getattr(fnp, name)(fnp.asarray(x), axis), getattr(np, name)(wide(x), axis), sum_dtype(x.dtype), ulps=64)


def test_running_sums_compiled():
    x = operand(9, (3, 4), "float32", special=False)
    fs = [lambda x: fnp.cumsum(x, 1), lambda x: fnp.cumprod(x, 0), fnp.cumsum,
          lambda x: fnp.cumsum(x, 0, "float64"), lambda x: fnp.cumulative_sum(x, axis=1, include_initial=True),
          lambda x: fnp.cumulative_prod(x[0])]  # fmt: skip
    wants = [np.cumsum(x, 1), np.cumprod(x, 0), np.cumsum(x), np.cumsum(x, 0, np.float64),
             np.cumulative_sum(x, axis=1, include_initial=True), np.cumulative_prod(x[0])]  # fmt: skip
    for f, got, want in zip(fs, fl.jit(lambda x: [g(x) for g in fs])(x), wants, strict=True):
        agree(got, want)
        agree(f(fnp.asarray(x)), want)
    agree(fnp.cumulative_sum([1, 2], include_initial=True), np.array([0, 1, 3], np.int32))
    with pytest.raises(ValueError, match=r"cumulative_sum: f32\[3,4\] has 2 axes"):
        fnp.cumulative_sum(x)
    agree(fl.grad(lambda x: fnp.cumprod(x)[-1])(fnp.asarray([2.0, 3.0])), np.array([3, 2], np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions_without_nan(dtype, axis):
    x = operand(10, (4, 5), dtype, special=False)
    if dtype != "int32":
        x[0, :], x[1:3, 2] = np.nan, np.nan
    names = ("nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanmedian")
    every = lambda x: [getattr(fnp, name)(x, axis=axis) for name in names]
    compiled = fl.jit(every)(x) if axis == 1 and dtype != "float64" else every(x)
    for name, got, again in zip(names, every(fnp.asarray(x)), compiled, strict=True):
        want = quiet(getattr(np, name), wide(x), axis=axis)
        kinds = {"nansum": sum_dtype, "nanprod": sum_dtype, "nanmax": np.dtype, "nanmin": np.dtype}
        made = kinds.get(name, inexact)(x.dtype)
        if name == "nanprod" and dtype in ("float16", "int32"):
            continue
        agree(got, want, made, ulps=64)
        agree(again, want, made, ulps=64)
    y = x[1:]
    for name in ("nanargmax", "nanargmin"):
        agree(getattr(fnp, name)(y, axis=axis), getattr(np, name)(wide(y), axis=axis), np.int32)
    assert dtype == "int32" or int(fnp.nanargmax(x, axis=1)[0]) == -1


# ---- quantiles ----

METHODS = ("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased", "normal_unbiased",
           "interpolated_inverted_cdf", "inverted_cdf", "averaged_inverted_cdf", "closest_observation")  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_quantiles(method):
    x = operand(11, (5, 6), "float32", special=False)
    x[2, 3] = np.nan
    for q, axis, keepdims in ((0.3, 1, False), (0.57, None, True), ([0.12, 0.93], 1, False), ([[0.0], [1.0]], 0, True),
                              (0.22, (0, 1), False)):  # fmt: skip
        kwargs = {"axis": axis, "method": method, "keepdims": keepdims}
        agree(fnp.quantile(x, q, **kwargs), np.quantile(wide(x), q, **kwargs), np.float32)
        agree(fnp.nanquantile(x, q, **kwargs), np.nanquantile(wide(x), q, **kwargs), np.float32)
    f = lambda x, q: (fnp.quantile(x, q, axis=1, method=method), fnp.nanquantile(x, q, axis=1, method=method))
    q = np.array([0.12, 0.53, 0.95], np.float32)
    plain, without = fl.jit(f)(x, q)
    agree(plain, np.quantile(wide(x), wide(q), axis=1, method=method), np.float32)
    agree(without, np.nanquantile(wide(x), wide(q), axis=1, method=method), np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_at_the_steps(method):
    for n in range(1, 7):
        x, q = np.arange(n) ** 2.0, np.arange(2 * n + 1) / (2 * n)
        for f in (fnp.quantile, fnp.nanquantile):
            agree(f(x, q, method=method), np.quantile(x, q, method=method))


def test_medians_and_percentiles():
    x = operand(12, (4, 6), "float32", special=False)
    for f in (lambda x: fnp.median(x, axis=1), fl.jit(lambda x: fnp.median(x, axis=1))):
        agree(f(x), np.median(wide(x), axis=1), np.float32)
    agree(fnp.median([1, 2, 4, 3]), np.asarray(2.5, np.float32))
    agree(fnp.percentile(x, [10, 90], axis=0), np.percentile(wide(x), [10, 90], axis=0), np.float32)
    agree(fnp.nanpercentile(x, 30), np.nanpercentile(wide(x), 30), np.float32)
    agree(fnp.median(np.array([1, np.inf, np.inf])), np.asarray(np.inf))
    agree(fnp.quantile(np.array([1, 2, np.inf]), 0.5), np.asarray(2.0))
    agree(fl.grad(fnp.median)(fnp.asarray([3.0, 1.0, 2.0, 5.0])), np.array([0.5, 0, 0.5, 0], np.float32))
    agree(fl.grad(lambda q: fnp.quantile(fnp.arange(5.0), q))(0.4), np.asarray(4.0, np.float32))
    for bad, words in ((lambda: fnp.quantile(x, 1.5), "quantiles lie between 0 and 1"),
                       (lambda: fnp.quantile(x, 0.5, method="best"), "method='best'"),
                       (lambda: fnp.median(fnp.zeros(0)), r"median: f32\[0\] has no elements")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            bad()
    with pytest.raises(TypeError, match="complex numbers have no order"):
        fnp.median([1j])


# ---- covariances and histograms ----


def test_covariance():
    x, y = operand(13, (3, 8), "float32", special=False), operand(14, (3, 8), "float32", special=False)
    f, a = np.arange(1, 9), np.linspace(0.1, 1, 8)
    for kwargs in ({}, {"rowvar": False}, {"bias": True}, {"ddof": 0}, {"fweights": f}, {"aweights": a},
                   {"fweights": f, "aweights": a}, {"y": y}):  # fmt: skip
        agree(fnp.cov(x, **kwargs), np.cov(wide(x), **kwargs), np.float32, ulps=256)
    agree(fnp.cov(x[0]), np.cov(wide(x[0])), np.float32, ulps=64)
    z = operand(15, (2, 6), "complex64")
    agree(fnp.cov(z), np.cov(wide(z)), np.complex64, ulps=256)
    for g in (fnp.corrcoef, fl.jit(fnp.corrcoef)):
        agree(g(x), np.corrcoef(wide(x)), np.float32, ulps=64)
    agree(fnp.corrcoef(x, y, rowvar=False), np.corrcoef(wide(x), wide(y), rowvar=False), np.float32, ulps=256)
    agree(fnp.cov(x, dtype="float64"), np.cov(wide(x)), np.float64, ulps=256)
    assert fnp.corrcoef(x, dtype="bfloat16").dtype == fnp.bfloat16
    with pytest.raises(ValueError, match="cov: computes in floats"):
        fnp.cov(x, dtype=int)
    with pytest.raises(ValueError, match="cov: takes one or two axes"):
        fnp.cov(fnp.ones((1, 1, 1)))


def test_histograms():
    x = operand(16, (50,), "float32", special=False)
    w = operand(17, (50,), "float32", special=False)
    for kwargs in ({}, {"bins": 4}, {"bins": 5, "range": (-2, 3)}, {"bins": np.array([-3.0, 0, 1, 7], np.float32)},
                   {"density": True}, {"weights": w}):  # fmt: skip
        counts, edges = fnp.histogram(x, **kwargs)
        agree(edges, np.histogram(wide(x), **kwargs)[1], np.float32)
        want, _ = np.histogram(x, **{**kwargs, "bins": np.asarray(edges)})  # the same edges, to the last digit
        agree(counts, want, np.float32 if "weights" in kwargs or "density" in kwargs else np.int32, ulps=64)
    agree(fl.jit(lambda x: fnp.histogram(x, 4)[0])(x), np.asarray(fnp.histogram(x, 4)[0]))
    agree(fnp.histogram_bin_edges(fnp.ones(3), 2), np.histogram_bin_edges(np.ones(3), 2), np.float32)
    n = np.array([0, 1, 1, 3, 2, 1])
    agree(fnp.bincount(n), np.bincount(n), np.int32)
    agree(fnp.bincount(n, minlength=6), np.bincount(n, minlength=6), np.int32)
    agree(fnp.bincount(n, weights=w[:6]), np.bincount(n, weights=w[:6]), np.float32)
    agree(fl.jit(lambda n: fnp.bincount(n, length=3))(n), np.array([1, 3, 1], np.int32))
    for bad, error, words in ((lambda: fnp.bincount([-1]), ValueError, "numbers of at least 0, got -1"),
                              (lambda: fnp.bincount([1.5]), TypeError, "bincount: takes a vector of integers"),
                              (lambda: fl.jit(fnp.bincount)(n), fl.ConcretizationError, "jit"),
                              (lambda: fnp.histogram(x, 0), ValueError, "bins=0")):  # fmt: skip
        with pytest.raises(error, match=words):
            bad()


def test_histograms_of_points():
    points = operand(18, (40, 3), "float32", special=False)
    x, y = points[:, 0], points[:, 1]
    for kwargs in ({}, {"bins": (3, 4)}, {"bins": 3, "range": [(-5, 5), (0, 4)]}, {"density": True}, {"weights": y}):
        counts, *edges = fnp.histogram2d(x, y, **kwargs)
        want, *want_edges = np.histogram2d(wide(x), wide(y), **kwargs)
        for e, w in zip(edges, want_edges, strict=True):
            agree(e, w, np.float32)
        want, *_ = np.histogram2d(x, y, **{**kwargs, "bins": [np.asarray(e) for e in edges]})
        np.testing.assert_allclose(counts, want, rtol=1e-5, atol=1e-6)
    counts, edges = fnp.histogramdd(points, bins=(2, 3, np.array([-3.0, 0, 3], np.float32)))
    agree(counts, np.histogramdd(points, [np.asarray(e) for e in edges])[0], np.int32)
    agree(fl.jit(lambda p: fnp.histogramdd(p, 2)[0])(points), np.asarray(fnp.histogramdd(points, 2)[0]))
    with pytest.raises(ValueError, match="histogramdd: 2 bins, 3 ranges for 3 coordinates"):
        fnp.histogramdd(points, bins=(2, 2))


# ---- calculus ----


def test_differences():
    x = operand(18, (3, 5), "float32", special=False)
    for n, axis in itertools.product((0, 1, 2, 6), (0, 1, -1)):
        agree(fnp.diff(x, n, axis), np.diff(x, n, axis))
    agree(fnp.diff(x, prepend=0.0, append=x[:, :2]), np.diff(x, prepend=0.0, append=x[:, :2]), np.float32)
    agree(fnp.diff([True, False, False]), np.array([True, False]))
    agree(fnp.ediff1d(x, to_begin=[1, 2], to_end=5.0), np.ediff1d(x, to_begin=[1, 2], to_end=5.0), np.float32)
    times = np.array([0, 1, 3, 4, 7], np.float32)
    for args, kwargs in (((), {}), ((2.0,), {}), ((1.0, 2.0), {})):
        for g, w in zip(fnp.gradient(x, *args, **kwargs), np.gradient(wide(x), *args, **kwargs), strict=True):
            agree(g, w, np.float32)
    for spacing in (2.0, times):
        agree(fnp.gradient(x, spacing, axis=1), np.gradient(wide(x), wide(spacing), axis=1), np.float32)
    agree(fl.jit(fnp.gradient)(x[0]), np.gradient(wide(x[0])), np.float32)
    agree(fnp.trapezoid(x), np.trapezoid(wide(x)), np.float32)
    agree(fnp.trapezoid(x, times), np.trapezoid(wide(x), times), np.float32)
    agree(fnp.trapezoid(x, dx=0.5, axis=0), np.trapezoid(wide(x), dx=0.5, axis=0), np.float32)
    angles = np.array([0, 3, 6, 9.5, 1, -3], np.float32)
    agree(fnp.unwrap(angles), np.unwrap(wide(angles)), np.float32, ulps=64)
    agree(fnp.unwrap(angles, period=4), np.unwrap(wide(angles), period=4), np.float32, ulps=64)


def test_interpolation():
    xp, fp = np.array([0, 1, 2.5, 4], np.float32), np.array([3, 5, -1, 2], np.float32)
    x = np.linspace(-1, 6, 29, dtype=np.float32).reshape(29, 1)
    for kwargs in ({}, {"left": 7.0}, {"right": 8.0}, {"period": 3.0}):
        for f in (lambda x: fnp.interp(x, xp, fp, **kwargs), fl.jit(lambda x: fnp.interp(x, xp, fp, **kwargs))):
            agree(f(x), np.interp(x, xp, fp, **kwargs), np.float32, ulps=64)
    agree(fnp.interp(2.0, [1.0], [5.0]), np.asarray(5.0), np.float32)
    agree(fl.grad(lambda x: fnp.interp(x, xp, fp))(1.5), np.asarray(-4.0), np.float32)
    line = {"left": "extrapolate", "right": "extrapolate"}
    agree(fnp.interp(np.array([-1.0, 1.5, 5]), np.arange(3.0), np.array([10.0, 5, 3]), **line), np.array([15.0, 4, -3]))
    agree(fnp.interp(7.0, xp, fp, period=np.float64(5)), np.interp(7.0, xp, fp, period=5), np.float32, ulps=64)
    with pytest.raises(ValueError, match="left='wrong'"):
        fnp.interp(1.0, xp, fp, left="wrong")
    with pytest.raises(TypeError, match="interp: does not take complex"):
        fnp.interp(1j, xp, fp)
    with pytest.raises(ValueError, match="the period is one number"):
        fnp.interp(1.0, xp, fp, period=np.ones(2))
    with pytest.raises(ValueError, match="interp: takes points as equally long vectors"):
        fnp.interp(1.0, [1.0, 2.0], [1.0])


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["full", "same", "valid"]), st.integers(0, 1000))
def test_convolutions(n, m, mode, seed):
    a, v = operand(seed, (n,), "float32", special=False), operand(seed + 1, (m,), "float32", special=False)
    for name in ("convolve", "correlate"):
        want = getattr(np, name)(wide(a), wide(v), mode)
        agree(getattr(fnp, name)(fnp.asarray(a), fnp.asarray(v), mode), want, np.float32, ulps=64)
        with slow_path():
            agree(getattr(fnp, name)(fnp.asarray(a), fnp.asarray(v), mode), want, np.float32, ulps=64)
    z = operand(seed, (n,), "complex64")
    agree(fnp.correlate(a, z, mode), np.correlate(wide(a), wide(z), mode), np.complex64, ulps=64)


def test_polynomials():
    p, q, x = np.array([2.0, -1, 3], np.float32), np.array([1.0, 4], np.float32), np.linspace(-2, 2, 5)
    for f in (fnp.polyval, fl.jit(fnp.polyval)):
        agree(f(p, x), np.polyval(p, x))
    for name in ("polyadd", "polysub", "polymul"):
        for a, b in ((p, q), (q, p)):
            agree(getattr(fnp, name)(a, b), getattr(np, name)(a, b), np.float32)
    agree(fnp.polymul([0, 1], [0, 2], trim_leading_zeros=True), np.array([2], np.int32))
    for m in (0, 1, 2):
        agree(fnp.polyder(p, m), np.polyder(p, m), np.float32)
        agree(fnp.polyint(p, m), np.polyint(p, m), np.float32)
    for n in (q, p, np.array([3.0, 1, 1, 2], np.float32)):
        quotient, rest = fnp.polydiv(p, n, trim_leading_zeros=True)
        want, want_rest = np.polydiv(p, n)
        agree(quotient, want, np.float32)
        agree(rest, want_rest, np.float32)
    assert fnp.polydiv(p, q)[1].shape == (3,)
    agree(fnp.poly([1, 2, 3.5]), np.poly([1, 2, 3.5]), np.float32)
    agree(fnp.polyint(p, 2, [1, 2]), np.polyint(p, 2, [1, 2]), np.float32)
    agree(fl.grad(lambda x: fnp.polyval(p, x))(2.0), np.asarray(7.0), np.float32)


@given(st.sampled_from([(2, 3), (3, 3), (3, 2), (2, 2)]), st.integers(0, 1000))
def test_cross_products(sizes, seed):
    a, b = [operand(seed + n, (4, n), "float32", special=False) for n in sizes]
    a3, b3 = [np.pad(wide(v), [(0, 0), (0, 3 - v.shape[1])]) for v in (a, b)]
    want = np.cross(a3, b3)[:, 2] if sizes == (2, 2) else np.cross(a3, b3)
    agree(fnp.cross(a, b), want, np.float32)
    if sizes == (3, 3):
        agree(fnp.cross(a.T, b, axisa=0, axisc=0), want.T, np.float32)
        agree(fnp.linalg.cross(a, b), want, np.float32)
    with pytest.raises(ValueError, match="cross: takes vectors of two or three"):
        fnp.cross(fnp.ones(4), fnp.ones(4))


# ---- derivatives, programs, errors ----


@pytest.mark.parametrize(
    ("f", "x", "want"),
    [
        (fnp.max, [1, 3, 3], [0, 0.5, 0.5]),
        (fnp.min, [1, 1, 3], [0.5, 0.5, 0]),
        (fnp.prod, [0, 3, 2], [6, 0, 0]),
        (fnp.mean, [1, 2, 4], [1 / 3] * 3),
        (fnp.var, [1, 2, 3], [-2 / 3, 0, 2 / 3]),
        (fnp.nansum, [1, np.nan, 3], [1, 0, 1]),
        (fnp.nanmean, [1, np.nan, 3], [0.5, 0, 0.5]),
        (lambda x: fnp.sum(x, where=fnp.asarray([True, False, True])), [1, 2, 3], [1, 0, 1]),
        (lambda x: fnp.average(x, weights=[1, 2, 1]), [1, 2, 3], [0.25, 0.5, 0.25]),
        (lambda x: fnp.trapezoid(x), [1, 2, 3], [0.5, 1, 0.5]),
        (lambda x: fnp.convolve(x, fnp.asarray([1.0, 2.0]))[1], [1, 2, 3], [2, 1, 0]),
    ],
)
def test_gradients(f, x, want):
    x = fnp.asarray(x, "float32")
    agree(fl.grad(f)(x), np.asarray(want), np.float32)
    agree(fl.jit(fl.grad(f))(x), np.asarray(want), np.float32)


def test_few_operations():
    x = fnp.ones((3, 4))
    kept = lambda x: fnp.sum(x, 0, keepdims=True)
    for f, operations in ((fnp.sum, 1), (fnp.mean, 2), (fnp.var, 7), (kept, 2), (fnp.max, 1), (fnp.argmax, 2),
                          (fnp.cumsum, 2), (fnp.any, 2), (lambda x: fnp.mean(x, 1), 2)):  # fmt: skip
        graph = fl.make_graph(f)(x)
        assert len(graph.eqns) == operations, graph


@pytest.mark.parametrize("name", ["sum", "max", "any", "mean", "var", "argmax", "cumsum", "median", "nansum", "diff"])
@pytest.mark.parametrize("compiled", [False, True])
def test_wrong_axes(name, compiled):
    f = lambda x, axis: getattr(fnp, name)(x, axis=axis)
    f = fl.jit(f, static_argnums=1) if compiled else f
    for axis in (2, -3):
        words = rf"{name}: axis {axis} is out of bounds for array of dimension 2 at test_numpy"
        with pytest.raises(np.exceptions.AxisError, match=words):
            f(fnp.ones((2, 3)), axis)
    with pytest.raises(TypeError, match=r"an axis is an integer, got 1\.5"):
        f(fnp.ones((2, 3)), 1.5)
    if name in ("sum", "max", "any", "mean", "median"):
        with pytest.raises(ValueError, match=r"duplicate axis in \(0, -2\)"):
            f(fnp.ones((2, 3)), (0, -2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fnp.sum("abc"), TypeError, "sum: takes arrays and numbers, got a str"),
        (lambda: fnp.mean(None), TypeError, "mean: takes arrays and numbers, got None"),
        (lambda: fnp.max(fnp.zeros((0, 2)), 0), ValueError, r"max: f32\[0,2\] has no elements along \(0,\).*`initial`"),
        (lambda: fnp.max(fnp.ones(2), where=fnp.asarray([True, False])), ValueError, "max: a mask may leave nothing"),
        (lambda: fnp.argmin(fnp.zeros(0)), ValueError, r"attempt to get argmin of an empty sequence, f32\[0\]"),
        (lambda: fnp.sum(fnp.ones(2), dtype=object), TypeError, "sum: object is no dtype"),
        (lambda: fnp.sum(fnp.ones(2), where=[True] * 3), ValueError, r"cannot broadcast bool\[3\] with f32\[2\]"),
        (lambda: fnp.sum(fnp.ones(2), out=np.ones(())), ValueError, "sum: out="),
        (lambda: fnp.diff(fnp.ones(2), -1), ValueError, "diff: takes arrays with axes and n of at least 0"),
        (lambda: fnp.gradient(fnp.ones(1)), ValueError, "at least 2 are needed"),
        (lambda: fnp.convolve(fnp.ones(2), fnp.ones((2, 2))), ValueError, "convolve: takes two vectors"),
        (lambda: fnp.convolve(fnp.ones(2), fnp.ones(2), "most"), ValueError, "mode='most'"),
        (lambda: fnp.polyval(fnp.ones((2, 2)), 1), ValueError, "polyval: takes a vector"),
        (lambda: fnp.cov(fnp.ones(3), fweights=[1, 1]), ValueError, "one for each"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_nothing_is_reduced_by_no_axes():
    x = operand(19, (2, 3), "float32")
    agree(fnp.sum(x, axis=()), x)
    agree(fnp.max(x, axis=()), x)
    agree(fnp.sum(fnp.zeros((0, 3)), axis=0), np.zeros(3, np.float32))
    agree(fnp.all(fnp.zeros((0,), bool)), np.asarray(True))
    assert np.isnan(float(fnp.mean(fnp.zeros(0)))) and float(fnp.prod(fnp.zeros(0))) == 1
    agree(fnp.sum(2.0), np.asarray(2.0), np.float32)
    agree(fnp.sum(fnp.asarray([1.0], ml_dtypes.float8_e5m2)), np.asarray(1.0), ml_dtypes.float8_e5m2)


def test_extremes_of_complex_numbers():
    """By real part, then by imaginary part, as NumPy orders them."""
    z = np.array([[1 + 2j, 1 + 3j, 0], [2 - 1j, 2 - 2j, 2]], np.complex64)
    for name in ("max", "min", "ptp"):
        for axis in (None, 0, 1, (0, 1)):
            want = getattr(np, name)(z, axis)
            for fun in (getattr(fnp, name), fl.jit(getattr(fnp, name), static_argnames="axis")):
                np.testing.assert_array_equal(np.asarray(fun(z, axis=axis)), want)
    assert np.isnan(np.asarray(fl.jit(fnp.max)(np.array([1j, complex(0, np.nan), 2]))))
    assert complex(fnp.max(1 + 2j)) == 1 + 2j
    slope = fl.grad(lambda z: fnp.real(fnp.max(z) * (3 - 1j)))(fnp.array([2 + 1j, 1]))
    np.testing.assert_array_equal(np.asarray(slope), [3 - 1j, 0])


def test_small_and_unsigned_operands():
    assert np.asarray(fnp.unwrap(fnp.zeros((2, 0)))).shape == (2, 0)
    np.testing.assert_array_equal(np.asarray(fnp.bincount(fnp.array([3, 1], "uint32"))), [0, 1, 0, 1])
    assert fnp.bincount(fnp.zeros(0, "uint8")).shape == (0,)
    np.testing.assert_array_equal(np.asarray(fnp.poly(3.0)), [1, -3])
